import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
import typer

from flows.cli import exits
from inr import errors
from tasks.errors import CatalogueError, ImagesFailed, ObjectMissing, SourceError, UnsupportedImage
from tasks.report.summary import RunSummary
from tests.flows.command import INR, ROOT, inr_run
from tests.inr.conftest import VECTORS
from tests.permissions import permissions_hold
from tests.tasks.store.test_outputs import FULL, device


def test_every_error_of_the_codec_has_an_exit_code():
    kinds = [
        value for value in vars(errors).values() if isinstance(value, type) and value.__subclasses__() == []
    ]
    assert len(kinds) > 9
    assert {exits.exit_code(kind("x")) for kind in kinds} == {exits.USAGE, exits.BITSTREAM, exits.ENCODE}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SourceError("x"), exits.IMAGE),
        (UnsupportedImage("x"), exits.IMAGE),
        (ObjectMissing("x"), exits.STORAGE),
        (CatalogueError("x"), exits.STORAGE),
        (ImagesFailed("x", RunSummary("", "", "", "", "")), exits.IMAGES_FAILED),
        (errors.InrError("of no kind that is known"), exits.IMAGES_FAILED),
    ],
)
def test_an_error_has_the_code_of_its_kind(error: errors.InrError, code: int):
    assert exits.exit_code(error) == code


def ended(raised: BaseException, *, as_json: bool = False) -> int:
    with pytest.raises(typer.Exit) as left, exits.errors_in_one_line(as_json=as_json):
        raise raised
    return left.value.exit_code


def test_an_expected_error_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]):
    assert ended(SourceError("a.png: gone")) == exits.IMAGE
    assert capsys.readouterr() == ("", "inr: SourceError: a.png: gone\n")


def test_a_folder_that_may_not_be_searched_is_one_line(capsys: pytest.CaptureFixture[str]):
    error = PermissionError(errno.EACCES, "Permission denied", "/closed/new\nline")
    assert ended(error) == exits.STORAGE
    assert capsys.readouterr() == ("", "inr: StorageError: /closed/new\\nline: Permission denied\n")


@pytest.mark.parametrize(
    "words",
    [
        ("archive", "photos", "closed/a/store"),
        ("archive", "closed/a/photos", "store"),
        ("query", "closed/a/store", "select 1"),
        ("encode", "photos/a.png", "-o", "closed/a/b/x.inr"),
        ("decode", "closed/a/x.inr", "-o", "x.png"),
    ],
)
def test_every_location_may_lie_in_such_a_folder(tmp_path: Path, words: tuple[str, ...]):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    (tmp_path / "closed").mkdir(mode=0o600)
    with permissions_hold():
        done = inr_run(*(tmp_path / word if "/" in word or word == "store" else word for word in words))
    assert done.returncode in (exits.USAGE, exits.IMAGE, exits.STORAGE)
    assert done.stderr.count("\n") == 1
    assert "Permission denied" in done.stderr


def test_with_json_it_is_an_object_on_standard_output_too(capsys: pytest.CaptureFixture[str]):
    assert ended(errors.ConfigError("seed"), as_json=True) == exits.USAGE
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": {"type": "ConfigError", "message": "seed"}}
    assert err == "inr: ConfigError: seed\n"


def test_ctrl_c_is_a_line_and_a_code_of_its_own(capsys: pytest.CaptureFixture[str]):
    assert ended(KeyboardInterrupt()) == exits.INTERRUPTED
    assert capsys.readouterr().err == "inr: interrupted\n"


def test_an_error_that_nobody_foresaw_is_left_alone():
    with pytest.raises(ZeroDivisionError), exits.errors_in_one_line(as_json=True):
        raise ZeroDivisionError


def test_every_code_is_explained():
    codes = {code for _, code in exits.CODES} | {exits.OK, exits.BAD_ORIGINALS, exits.INTERRUPTED}
    explained = {int(part.split()[0]) for part in exits.EXPLAINED.removeprefix("Exit codes: ").split(" · ")}
    assert explained == codes


@pytest.mark.parametrize("words", [["inspect"], ["inspect", "--json"]], ids=str)
def test_where_standard_output_takes_no_more_it_is_an_error(tmp_path: Path, words: list[str]):
    with device(tmp_path / "full", FULL).open("wb") as full:
        ended = subprocess.run(
            [*INR, *words, str(VECTORS / "rgb.inr")],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
        )
    assert ended.stderr == "inr: StorageError: write standard output: No space left on device\n"
    assert ended.returncode == exits.STORAGE


@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        ([0], ["decode", "-", "-o", "out.png"], exits.IMAGE),
        ([1], ["decode", "rgb.inr", "-o", "-"], exits.STORAGE),
        ([0, 1], ["decode", "-", "-o", "-"], exits.IMAGE),
        ([0, 1, 2], ["decode", "rgb.inr", "-o", "out.png"], exits.OK),
        ([2], ["decode", "none.inr", "-o", "out.png"], exits.IMAGE),
    ],
    ids=str,
)
def test_a_closed_stream_is_read_and_written_by_nobody(
    tmp_path: Path, closed: list[int], words: list[str], code: int
):
    (tmp_path / "rgb.inr").write_bytes((VECTORS / "rgb.inr").read_bytes())
    ended = subprocess.run(
        [*INR, *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: [os.close(number) for number in closed] and None,
    )
    assert ended.returncode == code, ended
    assert (tmp_path / "out.png").is_file() == (code == exits.OK)
