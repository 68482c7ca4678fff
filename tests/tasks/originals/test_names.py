import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import StorageError
from tasks.originals.names import escaped, plain_path, printable, raw_name, target_path


def test_printable_escapes_what_a_terminal_would_obey():
    assert printable("\x1b[31m\u202egnp.exe") == r"\x1b[31m\u202egnp.exe"
    assert printable(os.fsdecode(b"not\xffutf8\\.png")) == r"not\xffutf8\.png"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("3.45.12\u202fPM.png".encode(), r"3.45.12\u202fPM.png"),
        (b"3.45.12\\u202fPM.png", r"3.45.12\\u202fPM.png"),
        (b"\xa0.png", r"\xa0.png"),
        ("\xa0.png".encode(), r"\u00a0.png"),
        (rb"\xa0.png", r"\\xa0.png"),
        (b"new\nline\x07.png", r"new\nline\x07.png"),
        ("\u3000日本\U0001f468\u200d\U0001f469.jpg".encode(), "\\u3000日本\U0001f468\\u200d\U0001f469.jpg"),
        ("\U000e0041.png".encode(), r"\U000e0041.png"),
    ],
)
def test_a_name_as_rows_have_it_leads_back_to_its_bytes(name: bytes, path: str):
    assert escaped(name) == path
    assert raw_name(path) == name


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_every_name_can_be_shown_and_led_back(name: bytes):
    path = escaped(name)
    assert path.isprintable()
    assert path.encode().decode() == path
    assert raw_name(path) == name


@given(st.text(st.characters(codec="utf-8")))
def test_whatever_a_row_says_is_bytes(path: str):
    assert isinstance(raw_name(path), bytes)


def test_names_become_paths_below_the_target():
    target = Path("/target")
    assert target_path(target, "a/b.png", ".png") == target / "a" / "b.png"
    assert target_path(target, "a/b.PNG", ".png") == target / "a" / "b.PNG"
    assert target_path(target, "b.jpg", ".png") == target / "b.jpg.png"
    assert target_path(target, "b.png", ".webp") == target / "b.png.webp"
    assert target_path(target, r"3\u202fPM\xff\\.png", ".png") == target / os.fsdecode(
        "3\u202fPM".encode() + b"\xff\\.png"
    )


NO_PATHS = ["../a.png", "/etc/a.png", "a/../../b.png", "", "a\0.png", "..", "a//b.png", r"..\x2fa.png", "a/"]


@pytest.mark.parametrize("name", NO_PATHS)
def test_names_that_no_path_below_the_target_has_are_refused(name: str):
    with pytest.raises(StorageError, match="below the source"):
        target_path(Path("/target"), name, ".png")


@pytest.mark.parametrize("name", [*NO_PATHS, "b" * 248 + ".jpg", "语" * 84 + ".png", r"\xff" * 250 + ".png"])
@pytest.mark.parametrize("in_its_folder", [True, False])
def test_every_name_has_a_plain_path_below_the_target(name: str, in_its_folder: bool):
    path = plain_path(Path("/target"), name, "0123456789ab-cdef0123", ".png", in_its_folder=in_its_folder)
    below = path.relative_to("/target")
    assert below.name.endswith("-0123456789ab-cdef0123.png")
    assert ".." not in below.parts
    assert len(os.fsencode(below.name)) <= 255
    assert in_its_folder or len(below.parts) == 1


def test_a_plain_path_keeps_what_it_can():
    def plain(name: str, suffix: str) -> str:
        return str(plain_path(Path("t"), name, "0-1", suffix, in_its_folder=True))

    assert plain("2019/über den Wolken?.jpg", ".png") == "t/2019/über_den_Wolken_.jpg-0-1.png"
    assert plain("2019//a.PNG", ".png") == "t/2019/a-0-1.png"
