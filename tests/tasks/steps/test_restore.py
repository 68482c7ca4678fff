import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inr
from inr.bitstream import Metadata
from inr.errors import ConfigError
from tasks.catalogue.keys import object_key
from tasks.catalogue.records import LOSSLESS, Archived
from tasks.errors import StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.lossless import decode_lossless, same_metadata, to_lossless
from tasks.originals.opening import Picture, open_picture
from tasks.originals.writing import to_webp
from tasks.steps import restore as module
from tasks.steps.commit import append
from tasks.steps.restore import (
    Format,
    Restored,
    RestoreJob,
    RestoreSummary,
    restore_image,
    select,
    target_path,
)
from tasks.store.folder import LocalStore
from tests.inr.conftest import VECTORS
from tests.tasks.pictures import gradient
from tests.tasks.rows import ARCHIVE, archived, failed


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_only_archived_images_are_selected_as_they_were_recorded(store: LocalStore):
    records = [archived("b.png"), archived("a.png", also_at=("c.png",))]
    append(store, [*records, failed("bad.png")])
    assert select(store, "true") == records[::-1]
    assert select(store, "source_path = 'a.png' -- a comment") == records[1:]
    assert select(store, "false") == []
    assert select(store, "true) or (true") == records[::-1]  # whatever is asked, failures are not


def test_an_image_that_failed_later_is_not_selected(store: LocalStore):
    record = archived("a.png")
    later = record.recorded_at + timedelta(seconds=1)
    append(store, [record, dataclasses.replace(failed("a.png"), recorded_at=later)])
    assert select(store, "true") == []


@pytest.mark.parametrize(
    ("changes", "choice"),
    [
        ({"archive_digest": "f" * 64}, r"archive_digest, (\w{64}) or (?!\1)\w{64}"),
        ({"image_digest": "f" * 64}, "source_uri, "),
    ],
)
def test_two_images_of_one_name_are_refused_with_what_distinguishes_them(
    store: LocalStore, changes: dict[str, str], choice: str
):
    append(store, [archived("a.png"), archived("a.png", **changes)])
    with pytest.raises(ConfigError, match=rf"two images are named a\.png: choose by {choice}"):
        select(store, "true")


def test_a_copy_of_another_images_name_is_refused_too(store: LocalStore):
    append(store, [archived("a.png"), archived("b.png", also_at=("a.png",))])
    with pytest.raises(ConfigError, match=r"two images are named a\.png: choose by source_uri"):
        select(store, "true")


@pytest.mark.parametrize("where", ["nonsense", "true; drop table images", "exists (select 1"])
def test_a_wrong_predicate_is_the_callers_error(store: LocalStore, where: str):
    append(store, [archived("a.png")])
    with pytest.raises(ConfigError, match="query"):
        select(store, where)


def test_names_become_paths_below_the_target():
    target = Path("/target")
    assert target_path(target, "a/b.png", "png") == target / "a" / "b.png"
    assert target_path(target, "a/b.PNG", "png") == target / "a" / "b.PNG"
    assert target_path(target, "b.jpg", "png") == target / "b.jpg.png"
    assert target_path(target, "b.png", "webp") == target / "b.png.webp"


@pytest.mark.parametrize("name", ["../a.png", "/etc/a.png", "a/../../b.png", "", "a\0.png", ".."])
def test_names_that_lead_out_of_the_target_are_refused(name: str):
    with pytest.raises(StorageError, match="below the source"):
        target_path(Path("/target"), name, "png")


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


def restored(store: LocalStore, record: Archived, target: Path, format_: Format = "png") -> Restored:
    return restore_image(record, RestoreJob(store.url, str(target), format_, 1))


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


def test_a_different_file_of_the_name_is_not_replaced(store: LocalStore, tmp_path: Path):
    path = tmp_path / "back" / "a" / "b.jpg.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"mine")
    with pytest.raises(StorageError, match="a different file is there"):
        restored(store, golden(store, "rgb"), tmp_path / "back")
    assert path.read_bytes() == b"mine"


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
    assert summary.headline() == "1 of 3 images restored: 2 files written, 1 were there, 1 failed"
