import dataclasses
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

import inr
from flows.archive import archive
from flows.cli import exits
from flows.restore import restore
from tasks.catalogue import lookup, parts
from tasks.catalogue.keys import BITSTREAM_SUFFIX
from tasks.errors import ImagesFailed
from tasks.originals.lossless import decode_lossless
from tasks.originals.names import raw_name
from tasks.originals.opening import open_picture
from tasks.steps.restore import RestoreSummary
from tasks.store import s3_client
from tasks.store.folder import LocalStore
from tasks.store.s3 import parse_url
from tests.flows.command import invoke
from tests.flows.conftest import DRAFT, GOOD, OPTIONS, Archived
from tests.s3_server import Access
from tests.tasks.pictures import file_of, photograph


def stored(archive: Archived) -> dict[str, parts.Row]:
    rows = lookup.latest(parts.read_images(LocalStore(archive.store)).to_pylist(), {})
    return {row["source_path"]: row for row in rows if row["status"] == "archived"}


def restored_name(name: str, format_: str) -> str:
    own = os.fsdecode(raw_name(name))
    return own if own.endswith(f".{format_}") else f"{own}.{format_}"


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_every_image_comes_back_with_its_pixels_and_metadata(
    archived_once: Archived, tmp_path: Path, format_: str
):
    summary: RestoreSummary = restore(
        str(archived_once.store), str(tmp_path), format=format_, options=OPTIONS
    )
    rows = stored(archived_once)
    names = {restored_name(name, format_) for name in (*GOOD, "copy.png")}
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == names
    assert (summary.n_restored, summary.n_written, summary.n_failed) == (len(GOOD), len(names), 0)
    for name, row in rows.items():
        data = LocalStore(archived_once.store).get(row["key"], max_bytes=1 << 20)
        is_bitstream = row["key"].endswith(BITSTREAM_SUFFIX)
        channels = row["channels"]
        decoded = (
            inr.decode(data) if is_bitstream else decode_lossless(data, max_pixels=10_000, channels=channels)
        )
        opened = open_picture((tmp_path / restored_name(name, format_)).read_bytes(), max_pixels=10_000)
        shown = opened.pixels
        if shown.shape[2] - decoded.pixels.shape[2] == 2:  # WebP has no grey
            shown = np.concatenate([shown[:, :, :1], shown[:, :, 3:]], axis=2)
        np.testing.assert_array_equal(shown, decoded.pixels)
        assert opened.metadata.icc_profile == decoded.metadata.icc_profile
        assert (opened.metadata.exif or b"") in (decoded.metadata.exif or b"")  # less JPEG's own header
        assert bool(opened.metadata.exif) == bool(decoded.metadata.exif)


def test_prefect_shows_what_failed_and_a_second_run_goes_on(archived: Archived, tmp_path: Path):
    target = tmp_path / "out"
    rows = stored(archived)
    (archived.store / rows["grey.png"]["key"]).write_bytes(b"damaged")
    (archived.store / rows["alpha.png"]["key"]).unlink()
    with pytest.raises(ImagesFailed, match=f"{len(GOOD) - 2} of {len(GOOD)} images restored") as failure:
        restore(str(archived.store), str(target), options=OPTIONS)
    summary = failure.value.summary
    reasons = dict(summary.failures)
    assert set(reasons) == {"grey.png", "alpha.png"}
    assert "VerificationMismatch" in reasons["grey.png"]
    assert "no such object" in reasons["alpha.png"]
    assert not (target / "grey.png").exists()
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(summary.run_id)
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[summary.run_id]))
        )
    assert run.name == f"restore {archived.store} into {target}, where true"
    shown = {artifact.key: artifact.data for artifact in found}
    assert {row["image"] for row in json.loads(shown["restore-failures"])} == {"grey.png", "alpha.png"}
    assert f"- images: {len(GOOD) - 2} of {len(GOOD)}, 2 failed" in shown["restore-summary"]
    assert shown["restore-progress"] == 100.0
    with pytest.raises(ImagesFailed, match=f"0 files written, {len(GOOD) - 2} there already, 2 failed"):
        restore(str(archived.store), str(target), options=OPTIONS)


def shown(path: Path) -> tuple[int, ...]:
    """The colour of a picture of one colour."""
    with Image.open(path) as opened:
        return tuple(np.asarray(opened.convert("RGB"))[0, 0].tolist())


NAMES = {
    "Screenshot 2023-10-05 at 3.45.12\u202fPM.png": "Screenshot 2023-10-05 at 3.45.12\u202fPM.png",
    "\u00a0\u3000\u200d\u200f.png": "\u00a0\u3000\u200d\u200f.png",
    "b" * 248 + ".jpg": None,
    "a.png": "a.png",
    "a.png.jpg": "a.png.jpg.png",
    "c.jpg": None,
    "c.jpg.png": "c.jpg.png",
}


@pytest.mark.parametrize("format_", ["png", "webp"])
def test_names_come_back_from_a_folder_as_they_were_and_what_cannot_is_listed(
    tmp_path: Path, store: LocalStore, format_: str
):
    names = {
        **NAMES,
        r"back\slash \u202f.png": r"back\slash \u202f.png",
        "e\x1b[31m\n.png": "e\x1b[31m\n.png",
    }
    check_names(tmp_path / "photos", names, store.url, tmp_path / "back", format_)


def test_names_come_back_from_keys_in_s3(tmp_path: Path, store: LocalStore, s3_access: Access):
    bucket = f"s3://archive/{uuid.uuid4().hex}"
    check_names(tmp_path / "photos", NAMES, store.url, tmp_path / "back", "png", bucket)


def check_names(
    photos: Path, names: dict[str, str | None], store: str, target: Path, format_: str, bucket: str = ""
) -> None:
    """Archive a picture of each name and restore all; `names` has each one's PNG, None if under another."""
    photos.mkdir()
    colours = {}
    for number, name in enumerate(names):
        data = file_of(Image.new("RGB", (1, 1), (number,) * 3))
        colours[name] = (number,) * 3
        (photos / name).write_bytes(data)
        if bucket:
            place = parse_url(bucket)
            s3_client.client().put_object(Bucket=place.bucket, Key=place.key(name), Body=data)
    archive(bucket or str(photos), store, DRAFT, OPTIONS)
    summary: RestoreSummary = restore(store, str(target), format=format_, options=OPTIONS)
    assert (summary.n_restored, summary.n_failed) == (len(names), 0)
    renamed = {os.fsdecode(raw_name(name)): os.fsdecode(raw_name(place)) for name, place in summary.renamed}
    if format_ == "png":
        assert set(renamed) == {name for name, place in names.items() if place is None}
    for name in names:
        place = renamed.get(name) or (name if name.endswith(format_) else f"{name}.{format_}")
        assert shown(target / place) == colours[name]
    assert len(list(target.iterdir())) == len(names)


def test_of_two_settings_the_one_archived_last_comes_back_or_the_best_without_sql(
    tmp_path: Path, store: LocalStore
):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    (photos / "a.png").write_bytes(file_of(photograph(48, 48)))
    for rd_lambda in (0.0005, 0.1):  # the better one first
        archive(str(photos), store.url, dataclasses.replace(DRAFT, rd_lambda=rd_lambda), OPTIONS)
    rows = sorted(parts.read_images(store).to_pylist(), key=lambda row: row["recorded_at"])
    fine, coarse = (inr.decode(store.get(row["key"], max_bytes=1 << 20)).pixels for row in rows)
    assert rows[0]["psnr_db"] > rows[1]["psnr_db"] + 1

    def restored(*words: str) -> Any:
        shutil.rmtree(out, ignore_errors=True)
        result = invoke("restore", store.url, out, *words)
        assert result.exit_code == exits.OK, result.output
        assert "1 of 1 image restored: 1 file written" in result.output
        return open_picture((out / "a.png").read_bytes(), max_pixels=10_000).pixels

    np.testing.assert_array_equal(restored(), coarse)
    np.testing.assert_array_equal(restored("--best"), fine)
    np.testing.assert_array_equal(restored("--where", f"psnr_db > {rows[1]['psnr_db']}"), fine)
    store.delete(rows[1]["key"])
    assert invoke("verify", store.url).exit_code == exits.IMAGES_FAILED
    np.testing.assert_array_equal(restored(), fine)  # what an audit found lost stands behind
    both = invoke("restore", store.url, out, "--best", "--all-versions")
    assert (both.exit_code, "at most one of all versions" in both.output) == (exits.USAGE, True)


def test_of_a_photograph_that_was_tagged_anew_the_latest_version_comes_back(
    tmp_path: Path, store: LocalStore
):
    photo, digests = tmp_path / "photos" / "a.png", []
    photo.parent.mkdir()
    for number in (1, 2):
        photo.write_bytes(file_of(Image.new("RGB", (1, 1), (number,) * 3)))
        digests.append(hashlib.sha256(photo.read_bytes()).hexdigest())
        archive(str(photo.parent), store.url, DRAFT, OPTIONS)
    latest = invoke("restore", store.url, tmp_path / "latest")
    assert latest.exit_code == exits.OK, latest.output
    assert [(path.name, shown(path)) for path in (tmp_path / "latest").iterdir()] == [("a.png", (2, 2, 2))]
    every = json.loads(invoke("restore", store.url, tmp_path / "all", "--all-versions", "--json").output)
    [[name, place]] = every["renamed"]
    assert (name, place[: 2 + 12]) == ("a.png", f"a-{digests[0][:12]}")
    assert {path.name: shown(path) for path in (tmp_path / "all").iterdir()} == {
        "a.png": (2, 2, 2),
        place: (1, 1, 1),
    }
    where = f"image_digest like '{digests[0][:12]}%'"
    chosen = invoke("restore", store.url, tmp_path / "first", "--where", where)
    assert chosen.exit_code == exits.OK, chosen.output
    assert shown(tmp_path / "first" / "a.png") == (1, 1, 1)
