import json
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.cli import exits
from flows.sweep import sweep
from inr.config import MODELS
from tasks.errors import ImagesFailed
from tasks.settings import RunOptions
from tests.flows.command import invoke
from tests.flows.conftest import OPTIONS
from tests.tasks.pictures import file_of, photograph

LAMBDAS = ("--rd-lambda", 0.001, "--rd-lambda", 0.02)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(3):
        (folder / f"{n}.png").write_bytes(file_of(photograph(16, 16 + n)))
    (folder / "bad.png").write_text("no photograph")
    return folder


def test_the_curve_of_a_sample_and_a_larger_one_fits_only_what_is_new(photos: Path, tmp_path: Path):
    store = tmp_path / "store"
    words = (
        "sweep",
        photos,
        store,
        "--preset",
        "draft",
        "--device",
        "cpu",
        "--workers",
        2,
        *LAMBDAS,
    )
    n_settings = 2 * len(MODELS)
    found = json.loads(invoke(*words, "--sample", 1, "--json").output)
    assert (found["n_sampled"], found["n_archived"], len(found["points"])) == (1, n_settings, n_settings)
    larger = json.loads(invoke(*words, "--sample", 2, "--json").output)
    assert (larger["n_archived"], larger["n_before"]) == (n_settings, n_settings)
    for model in MODELS:
        few, many = (point for point in larger["points"] if point["model"] == model)
        assert (few["rd_lambda"], many["rd_lambda"], few["n_images"]) == (0.02, 0.001, 2)
        assert few["rate_bpp"] < many["rate_bpp"]
        assert few["psnr_db"] < many["psnr_db"]
    shown = invoke(*words, "--sample", 2)
    assert shown.exit_code == exits.OK
    lines = shown.output.splitlines()
    assert lines[0].split()[:3] == ["model", "λ", "bpp"]
    assert f"{n_settings} settings compared on 2 of 2 images" in lines
    page = Path(lines[-1].removeprefix("report: ").removesuffix(", and .json"))
    assert page.read_text().startswith(f"# RD: {n_settings} settings compared on 2 of 2 images")
    rows = json.loads(invoke("query", store, "select count(*) from images", "--json").output)["rows"]
    assert rows == [[2 * n_settings]]


def test_prefect_shows_the_report_and_what_failed(photos: Path, tmp_path: Path):
    options = RunOptions(device="cpu", workers=2, deadline_seconds=1e-3)
    with pytest.raises(ImagesFailed, match="of 3 images, none has a bitstream") as failure:
        sweep(str(photos), str(tmp_path / "store"), [0.01], ["mlp"], "draft", options=options)
    report = failure.value.summary
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(report.summary.run_id)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        )
    assert run.name == f"sweep 20 of {photos} at λ = 0.01"
    pages = {artifact.key: artifact.data for artifact in artifacts}
    assert pages["sweep-summary"].count("DeadlineExceeded") == 3
    assert pages["sweep-progress"] == 100.0
    assert [row["verified"] for row in json.loads(pages["sweep-images"])] == ["FAILED"] * 3


def test_a_bad_image_fails_once_under_each_setting_and_is_known_from_then_on(tmp_path: Path):
    """Its header is fine, so that a sample has it."""
    photos, store = tmp_path / "photos", tmp_path / "store"
    photos.mkdir()
    (photos / "a.png").write_bytes(file_of(photograph(8, 8)))
    (photos / "cut.png").write_bytes(file_of(photograph(24, 24))[:200])
    first = sweep(str(photos), str(store), [0.02], ["mlp"], "draft", options=OPTIONS).summary
    assert (first.n_archived, first.n_bad, first.n_known_bad) == (1, 1, 0)
    second = sweep(str(photos), str(store), [0.02, 0.01], ["mlp"], "draft", options=OPTIONS).summary
    assert (second.n_before, second.n_archived, second.n_bad, second.n_known_bad) == (1, 1, 1, 1)
    assert second.known_bad[0][0] == "cut.png"


def test_the_options_of_a_run_are_those_of_an_archive(photos: Path, tmp_path: Path):
    report = sweep(str(photos), str(tmp_path / "store"), [0.02], ["mlp"], "draft", 1, OPTIONS)
    assert report.summary.n_archived == report.n_sampled == 1
