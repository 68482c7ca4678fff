import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inr
from inr.bitstream import Metadata
from inr.errors import ConfigError
from tasks.catalogue.keys import object_key
from tasks.catalogue.records import LOSSLESS, Archived
from tasks.catalogue.versions import names_of
from tasks.errors import StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.forms import lifted, reduced
from tasks.originals.lossless import decode_lossless, lossless_suffix, same_metadata, to_lossless
from tasks.originals.opening import Picture, open_picture
from tasks.originals.writing import to_jxl, to_png, to_webp
from tasks.plan.restoring import Restoring
from tasks.steps import restore as module
from tasks.steps.restore import (
    Format,
    Restored,
    RestoreJob,
    RestoreSummary,
    restore_image,
)
from tasks.store.folder import LocalStore
from tests.inr.conftest import VECTORS
from tests.tasks.pictures import gradient, phone_exif
from tests.tasks.rows import ARCHIVE, archived, digest


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_what_webp_cannot_hold_is_told():
    with pytest.raises(UnsupportedImage, match="WebP cannot hold 16384x1 pixels"):
        to_webp(np.zeros((1, 16384, 3), dtype=np.uint8), Metadata())


def test_a_file_that_reads_back_otherwise_does_not_count():
    pixels = np.zeros((4, 4, 3), dtype=np.uint8)
    data = to_webp(pixels, Metadata())
    module._check("key", data, pixels, Metadata())
    with pytest.raises(VerificationMismatch, match="does not read back"):
        module._check("key", data, pixels + 1, Metadata())
    with pytest.raises(VerificationMismatch, match="does not read back"):
        module._check("key", data, pixels, Metadata(icc_profile=b"lost"))


def kept(store: LocalStore, data: bytes, decoded: inr.Decoded, **columns: Any) -> Archived:
    """An archived image whose object is in the store."""
    height, width, channels = decoded.pixels.shape
    digests = {"symbols_digest": decoded.symbols_digest, "pixels_digest": decoded.pixels_digest}
    size = {"height": height, "width": width, "channels": channels}
    record = archived("a/b.jpg", data, **{**digests, **size, **columns})
    store.put(record.stored.file.key, data)
    return record


def golden(store: LocalStore, name: str, **columns: Any) -> Archived:
    data = (VECTORS / f"{name}.inr").read_bytes()
    return kept(store, data, inr.decode(data), **columns)


def restored(
    store: LocalStore, record: Archived, target: Path, format_: Format = "png", *own_names: bool
) -> Restored:
    wanted = Restoring(record, own_names or (True,) * len(names_of(record)))
    return restore_image(wanted, RestoreJob(store.url, str(target), format_, 1))


@pytest.mark.parametrize("format_", ["png", "webp"])
@pytest.mark.parametrize("name", ["rgb", "grey", "grey_alpha", "rgb_alpha", "rgb_metadata", "cnn_rgb"])
def test_an_image_becomes_a_file_that_shows_what_the_bitstream_holds(
    store: LocalStore, tmp_path: Path, name: str, format_: Format
):
    record = golden(store, name)
    done = restored(store, record, tmp_path / "back", format_)
    path = tmp_path / "back" / "a" / f"b.jpg.{format_}"
    assert done == Restored(1, 0, path.stat().st_size)
    decoded = inr.decode((VECTORS / f"{name}.inr").read_bytes())
    opened = open_picture(path.read_bytes(), max_pixels=1 << 20)
    colours = decoded.pixels.shape[2] >= 3
    shown = (
        opened.pixels
        if colours or format_ == "png"
        else opened.pixels[:, :, [0, 3][: decoded.pixels.shape[2]]]
    )
    np.testing.assert_array_equal(shown[:, :, : decoded.pixels.shape[2]], decoded.pixels)
    assert same_metadata(opened.metadata, decoded.metadata)


def test_copies_are_restored_too_and_what_is_there_stays(store: LocalStore, tmp_path: Path):
    record = golden(store, "rgb", also_at=("copy.png", "c/d.png"))
    first = restored(store, record, tmp_path / "back")
    again = restored(store, record, tmp_path / "back")
    assert (first.n_written, first.n_present, again.n_written, again.n_present) == (3, 0, 0, 3)
    files = {path.relative_to(tmp_path / "back").as_posix() for path in (tmp_path / "back").rglob("*.png")}
    assert files == {"a/b.jpg.png", "copy.png", "c/d.png"}


def test_beside_a_different_file_of_the_name_an_image_gets_another_one(store: LocalStore, tmp_path: Path):
    record, back = golden(store, "rgb"), tmp_path / "back"
    (back / "a").mkdir(parents=True)
    (back / "a" / "b.jpg.png").write_bytes(b"mine")
    place = f"a/{marked(record, 'b.jpg')}"
    first, again = restored(store, record, back), restored(store, record, back)
    assert first.renamed == again.renamed == (("a/b.jpg", place),)
    assert (first.n_written, again.n_present) == (1, 1)
    assert (back / "a" / "b.jpg.png").read_bytes() == b"mine"
    for other in (back / place, back / marked(record, "b.jpg")):
        other.unlink(missing_ok=True)
        other.write_bytes(b"mine too")
    with pytest.raises(StorageError, match="a different file is there"):
        restored(store, record, back)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("format_", ["png", "webp"])
@pytest.mark.parametrize("alpha", [0, 128, 255])
@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("write", [to_png, to_webp, to_jxl])
def test_every_kind_of_picture_is_restored_in_every_format(
    store: LocalStore,
    tmp_path: Path,
    channels: int,
    format_: Format,
    alpha: int,
    grey: bool,
    write: Callable[[np.ndarray, Metadata], bytes],
):
    pixels = gradient(9, 8, channels)
    if grey and channels > 2:
        pixels[:, :, :3] = pixels[:, :, :1]
    if channels % 2 == 0:
        pixels[:, :, -1] = alpha
    data = write(reduced(pixels), Metadata())
    decoded = decode_lossless(data, max_pixels=72, channels=channels)
    key = object_key(digest("b.jpg"), ARCHIVE, lossless_suffix(data))
    record = kept(store, data, decoded, model=LOSSLESS, key=key)
    restored(store, record, tmp_path / "back", format_)
    with Image.open(tmp_path / "back" / "a" / f"b.jpg.{format_}") as opened:
        shown = np.asarray(opened.convert("RGBA"))
    np.testing.assert_array_equal(shown, lifted(pixels, 4))


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_exif_and_xmp_come_back_from_a_jpeg_xl(store: LocalStore, tmp_path: Path, format_: Format):
    held = Metadata(exif=b"Exif\0\0" + phone_exif(1), xmp=b"<x/>")
    data = to_jxl(gradient(9, 8, 3), held)
    decoded = decode_lossless(data, max_pixels=72, channels=3)
    record = kept(
        store, data, decoded, model=LOSSLESS, key=object_key(digest("b.jpg"), ARCHIVE, lossless_suffix(data))
    )
    restored(store, record, tmp_path / "back", format_)
    opened = open_picture((tmp_path / "back" / "a" / f"b.jpg.{format_}").read_bytes(), max_pixels=72)
    np.testing.assert_array_equal(opened.pixels, gradient(9, 8, 3))
    assert same_metadata(opened.metadata, held)


def marked(record: Archived, name: str, suffix: str = ".png") -> str:
    """The name that a file gets in place of its own."""
    return f"{name}-{record.origin.image.digest[:12]}-{ARCHIVE[:8]}{suffix}"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (r"3.45.12\u202fPM.png", "3.45.12\u202fPM.png".encode()),
        (r"not\xffutf8\\.png", b"not\xffutf8\\.png"),
        ("b" * 247 + ".png", b"b" * 247 + b".png"),
        ("b" * 247 + ".jpg", b"b" * 247 + b".jpg.png"),
        ("d" * 255 + "/a.png", b"d" * 255 + b"/a.png"),
    ],
)
def test_a_name_that_the_target_can_hold_comes_back_as_it_was(
    store: LocalStore, tmp_path: Path, name: str, file: bytes
):
    record = golden(store, "rgb", source_path=name)
    assert restored(store, record, tmp_path / "back").renamed == ()
    assert (tmp_path / "back" / os.fsdecode(file)).is_file()


@pytest.mark.parametrize(
    ("name", "folder", "stem"),
    [
        ("2019/" + "b" * 248 + ".jpg", "2019/", "b" * 50),
        ("2019/" + "語" * 84 + ".jpg", "2019/", "語" * 50),
        ("d" * 256 + "/a.jpg", "", "a.jpg"),
        ("/".join(["d" * 255] * 17) + "/a.png", "", "a"),
        ("2019//a.png", "2019/", "a"),
        ("/a.png", "", "a"),
        ("../../a.png", "", "a"),
        (r"a\u0000b.png", "", "a_b"),
    ],
)
def test_a_name_that_the_target_cannot_hold_becomes_another_one_and_a_line(
    store: LocalStore, tmp_path: Path, name: str, folder: str, stem: str
):
    record = golden(store, "rgb", source_path=name)
    is_path = "//" not in name and name[0] not in "/." and "u0000" not in name
    done = restored(store, record, tmp_path / "back", "png", is_path)
    place = folder + marked(record, stem)
    assert (done.n_written, done.renamed) == (1, ((name, place),))
    assert [path for path in (tmp_path / "back").rglob("*") if path.is_file()] == [tmp_path / "back" / place]
    again = restored(store, record, tmp_path / "back", "png", is_path)
    assert (again.n_written, again.n_present, again.renamed) == (0, 1, done.renamed)


def test_a_file_in_place_of_a_folder_and_a_folder_in_place_of_a_file_are_left_as_they_are(
    store: LocalStore, tmp_path: Path
):
    record = golden(store, "rgb", also_at=["c/d/e.png", "f.png"])
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "c").write_bytes(b"mine")
    (tmp_path / "f.png").mkdir()
    done = restored(store, record, tmp_path)
    assert done.renamed == (
        ("a/b.jpg", marked(record, "b.jpg")),
        ("c/d/e.png", marked(record, "e")),
        ("f.png", marked(record, "f")),
    )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes() == b"mine"


def test_what_a_format_cannot_hold_becomes_another_one_and_a_line(store: LocalStore, tmp_path: Path):
    wide, profile = np.zeros((1, 16384, 3), dtype=np.uint8), b"p" * (1 << 20)
    for name, pixels, metadata, asked, given in (
        ("wide.jpg", wide, Metadata(), "webp", "png"),
        ("profile.jpg", wide[:, :9], Metadata(icc_profile=profile), "png", "webp"),
    ):
        data = to_lossless(Picture(pixels, metadata, "PNG", "RGB", ())).data
        decoded = decode_lossless(data, max_pixels=pixels.size, channels=3)
        key = object_key(digest(name), ARCHIVE, ".webp")
        record = kept(store, data, decoded, model=LOSSLESS, source_path=name, key=key)
        done = restored(store, record, tmp_path / "back", asked)
        assert done.renamed == ((name, f"{name}.{given}"),)
        with Image.open(tmp_path / "back" / f"{name}.{given}") as opened:
            assert (opened.format, opened.size) == (given.upper(), pixels.shape[1::-1])
            assert opened.info.get("icc_profile") == metadata.icc_profile


def test_a_target_is_a_folder_by_its_path_or_its_uri(store: LocalStore, tmp_path: Path):
    target = tmp_path / os.fsdecode(b"b\xffck")
    record = golden(store, "rgb")
    restore_image(Restoring(record, (True,)), RestoreJob(store.url, target.as_uri(), "png", 1))
    assert (target / "a" / "b.jpg.png").is_file()
    with pytest.raises(ConfigError, match="expected a path or a file:// URI, found 's3://bucket/back'"):
        restore_image(Restoring(record, (True,)), RestoreJob(store.url, "s3://bucket/back", "png", 1))


@pytest.mark.parametrize("suffix", [".webp", ".inr"])
def test_a_file_without_loss_is_restored_whatever_its_key(store: LocalStore, tmp_path: Path, suffix: str):
    """Archives of before named it like a bitstream."""
    picture = Picture(gradient(9, 8, 3), Metadata(), "PNG", "RGB", ())
    data = to_lossless(picture).data
    key = object_key(archived("a/b.jpg").origin.image.digest, ARCHIVE, suffix)
    record = kept(store, data, decode_lossless(data, max_pixels=72, channels=3), model=LOSSLESS, key=key)
    restored(store, record, tmp_path / "back")
    opened = open_picture((tmp_path / "back" / "a" / "b.jpg.png").read_bytes(), max_pixels=72)
    np.testing.assert_array_equal(opened.pixels, picture.pixels)


def test_a_damaged_object_is_not_restored(store: LocalStore, tmp_path: Path):
    record = golden(store, "rgb")
    path = store.path(record.stored.file.key)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(VerificationMismatch, match="SHA-256"):
        restored(store, record, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_the_summary_counts_images_and_files():
    summary = RestoreSummary("run", "store", "target", n_planned=3)
    assert RestoreSummary("run", "store", "target").headline().startswith("nothing to restore")
    summary.add(Restored(2, 1, 30))
    summary.fail("b.png", ValueError("no"))
    assert (summary.n_done, summary.n_failed, summary.n_bytes) == (2, 1, 30)
    assert summary.failures == [("b.png", "ValueError: no")]
    assert summary.headline() == "1 of 3 images restored: 2 files written, 1 there already, 1 failed"
    summary.add(Restored(1, 0, 10, (("a//b.png", "a/b-1.png"),)))
    assert summary.renamed == [("a//b.png", "a/b-1.png")]
    assert "3 files written, 1 there already, 1 under another name, 1 failed" in summary.headline()
