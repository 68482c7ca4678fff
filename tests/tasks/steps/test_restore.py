import dataclasses
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from inr.bitstream import Metadata
from inr.errors import ConfigError
from tasks.errors import StorageError, UnsupportedImage, VerificationMismatch
from tasks.originals.writing import to_webp
from tasks.steps import restore as module
from tasks.steps.commit import append
from tasks.steps.restore import select, target_path
from tasks.store.folder import LocalStore
from tests.tasks.rows import archived, failed


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


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
    [({"archive_digest": "f" * 64}, "config_digest"), ({"image_digest": "f" * 64}, "source_uri")],
)
def test_two_images_of_one_name_are_refused_with_what_tells_them_apart(
    store: LocalStore, changes: dict[str, str], choice: str
):
    append(store, [archived("a.png"), archived("a.png", **changes)])
    with pytest.raises(ConfigError, match=f"two images are named a.png: choose by {choice}"):
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
