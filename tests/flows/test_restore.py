import json
from pathlib import Path

import numpy as np
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

import inr
from flows.restore import restore
from tasks.catalogue import lookup, parts
from tasks.errors import ImagesFailed
from tasks.originals.opening import open_picture
from tasks.steps.restore import RestoreSummary
from tasks.store.folder import LocalStore
from tests.flows.conftest import GOOD, OPTIONS, Archived


def stored(archive: Archived) -> dict[str, parts.Row]:
    rows = lookup.latest(parts.read_images(LocalStore(archive.store)).to_pylist())
    return {row["source_path"]: row for row in rows if row["status"] == "archived"}


def restored_name(name: str, format_: str) -> str:
    return name if name.endswith(f".{format_}") else f"{name}.{format_}"


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
        decoded = inr.decode(LocalStore(archived_once.store).get(row["key"], max_bytes=1 << 20))
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
    with pytest.raises(ImagesFailed, match=f"0 files written, {len(GOOD) - 2} were there, 2 failed"):
        restore(str(archived.store), str(target), options=OPTIONS)
