import json
import math
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.states import StateType

import inr
from flows import archive as archive_module
from flows.archive import archive
from flows.engine.listening import listening
from flows.engine.runs import BAD as BAD_STATE
from flows.engine.runs import begin
from inr.config import CodecConfig
from inr.errors import ConfigError
from inr.metrics import psnr_db
from tasks.catalogue import lookup, parts
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, StorageError, Summary
from tasks.originals.opening import open_picture
from tasks.originals.reading import read_source
from tasks.plan.batches import Batch
from tasks.report.markdown import markdown, run_facts
from tasks.report.summary import RunSummary
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tests.flows.command import invoke
from tests.flows.conftest import (
    BAD,
    DRAFT,
    GOOD,
    ON_A_CPU,
    ONE_COLOUR,
    OPTIONS,
    Archived,
    rows_of,
)
from tests.lengths import fits_from
from tests.opens import counting_opens
from tests.s3_server import Access
from tests.tasks.pictures import file_of, image, photograph


def files_of(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes() for path in store.rglob("*") if path.is_file()
    }


def test_every_image_is_a_row_and_failures_stop_no_other(archived_once: Archived):
    rows = rows_of(archived_once.store)
    assert {path: row["error_type"] for path, row in rows.items()} == {**dict.fromkeys(GOOD), **BAD}
    assert {row["status"] for path, row in rows.items() if path in GOOD} == {"archived"}
    summary = archived_once.summary
    assert (summary.n_archived, summary.n_failed, summary.n_planned) == (len(GOOD), len(BAD), len(rows))


def test_what_a_row_says_is_so(archived_once: Archived):
    store = LocalStore(archived_once.store)
    for path, row in rows_of(archived_once.store).items():
        if path not in GOOD:
            continue
        bitstream = store.get(row["key"], max_bytes=1 << 20)
        original = open_picture(read_source(row["source_uri"], max_bytes=1 << 20), max_pixels=10_000)
        decoded = inr.decode(bitstream)
        measured = psnr_db(reference=original.pixels, decoded=decoded.pixels)
        assert measured == pytest.approx(row["psnr_db"]) or math.isinf(measured)
        assert decoded.pixels.shape == (row["height"], row["width"], row["channels"])
        assert decoded.metadata == original.metadata
        assert len(bitstream) == row["n_bytes"]
        assert row["rate_bpp"] == 8 * len(bitstream) / (row["width"] * row["height"])
        assert row["archive_digest"] == Recipe(DRAFT).archive_digest()
        seconds = [
            row[name] for name in ("fit_seconds", "encode_seconds", "decode_seconds", "verify_seconds")
        ]
        assert all(value > 0 for value in seconds[path in ONE_COLOUR :])
        assert row["verified_at"] <= row["recorded_at"]


def test_a_copy_is_archived_once_and_its_path_is_kept(archived_once: Archived):
    assert rows_of(archived_once.store)["alpha.png"]["also_at"] == ["copy.png"]


def test_the_history_of_each_fit_is_kept(archived_once: Archived):
    history = parts.read_history(LocalStore(archived_once.store)).to_pylist()
    rows = rows_of(archived_once.store)
    fitted = {point["image_digest"] for point in history}
    assert fitted == {rows[path]["image_digest"] for path in GOOD - ONE_COLOUR}
    assert all(point["step"] <= point["n_steps"] for point in history)


def test_the_store_holds_nothing_but_what_is_finished(archived_once: Archived):
    kinds = sorted(key.split("/")[0] for key in files_of(archived_once.store))
    assert kinds == ["bitstreams"] * len(GOOD) + ["catalogue"] * 3 + ["reports"] * 3


def test_prefect_shows_the_run(archived_once: Archived):
    run_id = archived_once.summary.run_id
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run_id)
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        )
        below = FlowRunFilterParentFlowRunId(any_=[run_id])
        [batch] = client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=below))
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[batch.id])))
    assert (run.state.type, run.state.name) == (StateType.COMPLETED, BAD_STATE)
    assert run.state.message == archived_once.summary.headline()
    assert run.name.startswith(f"archive {archived_once.source} into ")
    found = {artifact.key: artifact for artifact in artifacts}
    assert found["archive-progress"].data == 100.0
    done, _, fits = str(found["archive-progress"].description).partition("; ")
    assert done == f"{len(GOOD) + len(BAD)} of {len(GOOD) + len(BAD)} done, {len(BAD)} failed"
    assert fits.startswith("fits took ")
    assert found["archive-summary"].data.startswith("\n".join(run_facts(archived_once.summary)))
    # a plot, and each image that a fit has made something of, beside its original
    assert found["archive-summary"].data.count("](data:image/png;base64,") == 1 + len(GOOD - ONE_COLOUR)
    table = json.loads(found["archive-images"].data)
    assert [row["verified"] for row in table] == ["FAILED"] * len(BAD) + ["yes"] * len(GOOD)
    assert {row["image"] for row in table} >= {"grey.png", r"new\\nline.png"}
    assert {"compress grey.png", "verify grey.png", r"compress new\nline.png"} < {task.name for task in tasks}


def test_the_report_is_in_the_store(archived_once: Archived):
    summary = archived_once.summary
    report = archived_once.store / "reports" / f"{summary.run_id}.md"
    assert report.read_text() == markdown(summary)


def test_the_page_of_a_run_shows_what_lost_something_beside_its_original(archived_once: Archived):
    page = (archived_once.store / "reports" / f"{archived_once.summary.run_id}.html").read_text()
    rows = rows_of(archived_once.store).values()
    lossy = [row for row in rows if row["psnr_db"] is not None and math.isfinite(row["psnr_db"])]
    assert f"<code>{archived_once.summary.run_id}</code>" in page
    assert page.count('class="before"') == len(lossy) > 0
    assert page.count("UnsupportedImage") >= 3


def test_a_run_does_not_fail_for_its_page(archived: Archived, monkeypatch: pytest.MonkeyPatch):
    def broken(*given: object) -> None:
        raise RuntimeError("no page today")

    monkeypatch.setattr("tasks.report.html.render.store_page", broken)
    for name in BAD:
        (archived.source / name).unlink()
    (archived.source / "new.png").write_bytes(file_of(photograph(8, 8, 3)))
    summary: RunSummary = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS)
    assert summary.n_archived == 1
    assert (archived.store / "reports" / f"{summary.run_id}.md").exists()
    assert not (archived.store / "reports" / f"{summary.run_id}.html").exists()


def test_a_second_run_does_no_work_and_names_what_is_known_to_be_bad(archived: Archived):
    first = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS)
    assert (first.n_planned, first.n_bad) == (
        1,
        1,
    )  # the loop: a file that cannot be read is known by its place
    before = files_of(archived.store)
    summary = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS)
    after = files_of(archived.store)
    assert before.items() < after.items()
    assert {key.split("/")[0] for key in after.keys() - before.keys()} == {"reports"}
    assert summary.headline() == (
        f"nothing to do: {len(GOOD)} images archived already, {len(BAD)} known to be bad"
    )
    assert {path: why.partition(":")[0] for path, why in summary.known_bad} == BAD
    report = (archived.store / "reports" / f"{summary.run_id}.md").read_text()
    assert all(f"- {path}: {error}" in report for path, error in BAD.items())
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(summary.run_id).state
    assert (state.type, state.name) == (StateType.COMPLETED, "Completed")


def test_what_is_known_to_be_bad_is_tried_again_when_that_is_asked_for(archived: Archived):
    before = files_of(archived.store)
    summary = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS, retry_bad=True)
    found = f"0 of {len(BAD)} images archived and verified, {len(GOOD)} archived before, {len(BAD)} failed"
    assert summary.headline() == f"{found} by their own fault"
    new = sorted(key.split("/")[0] for key in files_of(archived.store).keys() - before.keys())
    assert new == ["catalogue", "catalogue", "reports", "reports"]


def test_three_nights_with_a_bad_file(tmp_path: Path):
    """The first one says so, the others name it and are completed; a new fault of ours fails again."""
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    (source / "good.png").write_bytes(file_of(photograph(8, 8)))
    (source / "bad.png").write_text("no photograph")
    (source / "gone.png").symlink_to(tmp_path / "nowhere")
    states, summaries = list[tuple[StateType, str | None]](), list[RunSummary]()
    for night in range(4):
        if night == 2:  # another one, and the first one is mended
            (source / "new.png").write_bytes(b"")
            (source / "bad.png").write_bytes(file_of(photograph(8, 9)))
        summaries.append(archive(str(source), str(store), DRAFT, OPTIONS))
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(summaries[-1].run_id).state
        states.append((state.type, state.name))
    completed = StateType.COMPLETED
    names = [BAD_STATE, "Completed", BAD_STATE, "Completed"]
    assert states == [(completed, name) for name in names]
    assert [(found.n_archived, found.n_bad, found.n_known_bad) for found in summaries] == [
        *[(1, 2, 0), (0, 0, 2), (1, 1, 1), (0, 0, 2)],
    ]
    (source / "bad.png").write_text("bad in another way")
    (source / "slow.png").write_bytes(file_of(photograph(16, 16)))
    short = OPTIONS.model_copy(update={"deadline_seconds": 1e-3})
    with pytest.raises(ImagesFailed, match="2 failed, 1 of them by its own fault"):
        archive(str(source), str(store), DRAFT, short)
    assert rows_of(store)["slow.png"]["error_type"] == "DeadlineExceeded"
    again = archive(str(source), str(store), DRAFT, OPTIONS)
    assert (again.n_archived, again.n_known_bad) == (1, 3)


def test_patterns_choose_what_a_run_takes_and_what_they_leave_out_is_counted(tmp_path: Path):
    source, store = tmp_path / "photos", tmp_path / "store"
    for n, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/raw/1.png")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(file_of(image(1, 1, n + 1)))
    summary = archive(str(source), str(store), DRAFT, OPTIONS, include=["1.png"], exclude=["raw/"])
    assert set(rows_of(store)) == {"a/1.png", "b/1.png"}
    assert summary.plan == "2 to archive; 0 archived already; left out: 2 by include and exclude"
    with pytest.raises(ConfigError, match="exclude: expected a pattern"):
        archive(str(source), str(store), DRAFT, OPTIONS, exclude=["/a"])


def test_a_run_in_which_all_succeeds_is_completed_and_tells_as_it_goes(archived: Archived):
    for name in BAD:
        (archived.source / name).unlink()
    (archived.source / "new.png").write_bytes(file_of(photograph(16, 16, 3)))
    found: list[int] = []
    with listening(lambda summary: found.append(summary.n_done)):
        summary: RunSummary = archive(str(archived.source), str(archived.store), DRAFT, OPTIONS)
    assert summary.headline() == f"1 of 1 image archived and verified, {len(GOOD)} archived before"
    assert (found[0], found[-1], found) == (0, 1, sorted(found))
    with get_client(sync_client=True) as client:
        assert client.read_flow_run(summary.run_id).state.type is StateType.COMPLETED


def test_a_run_that_is_tried_again_does_what_its_first_attempt_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Prefect keeps the id of a run that it tries again; what is to do is another thing by then."""
    monkeypatch.setattr(archive_module, "ROUNDS", 1)
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    for n in range(6):
        (source / f"{n}.png").write_bytes(file_of(photograph(8, 8 + n)))
    told: list[int] = []

    def fail_once(summary: Summary) -> None:
        if summary.n_done >= 4 and not told:
            told.append(summary.n_done)
            raise RuntimeError("the first attempt ends here")

    options = OPTIONS.model_copy(update={"batch_images": 2})
    with listening(fail_once):
        summary = archive.with_options(retries=1)(str(source), str(store), DRAFT, options)
    assert told == [4]
    assert [row["status"] for row in rows_of(store).values()] == ["archived"] * 6
    assert (summary.n_before + summary.n_archived, summary.n_failed) == (6, 0)
    assert 0 < summary.n_before < 6
    assert markdown(summary) == (store / "reports" / f"{summary.run_id}.md").read_text()


def test_runs_that_cannot_record_leave_nothing_more_each_time(tmp_path: Path):
    """The fits of the first one are kept, and nothing comes to them: a full disk does not become fuller."""
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    for n in range(3):
        (source / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    (store / "catalogue" / "history").parent.mkdir(parents=True)
    (store / "catalogue" / "history").write_text("no folder")
    left = list[list[str]]()
    for _ in range(4):
        with pytest.raises(StorageError):
            archive(str(source), str(store), DRAFT, OPTIONS)
        left.append(sorted(Path(key).suffix for key in files_of(store)))  # some names are drawn
    assert left[0].count(".inr") == 3
    assert left[1] == left[2] == left[3]
    (store / "catalogue" / "history").unlink()
    assert archive(str(source), str(store), DRAFT, OPTIONS).n_archived == 3
    assert LocalStore(store).objects("journal") == LocalStore(store).objects("runs") == []


def test_each_original_is_opened_once_to_plan_to_encode_to_verify_and_to_be_shown(archived: Archived):
    """By the command, over a store that has a catalogue; what is archived already is only digested."""
    for name in BAD:
        (archived.source / name).unlink()
    (archived.source / "new.png").write_bytes(file_of(photograph(16, 16, 3)))
    with counting_opens(archived.source) as opens:
        result = invoke("archive", archived.source, archived.store, *ON_A_CPU, "--json")
    assert json.loads(result.output)["n_archived"] == 1
    assert opens.pop("new.png") == 4
    assert set(opens.values()) == {1}
    assert len(opens) == len(GOOD) + 1  # and the copy
    with counting_opens(archived.source) as opens:
        assert json.loads(invoke("plan", archived.source, archived.store, *ON_A_CPU, "--json").output)
    assert set(opens.values()) == {1}


def test_a_deadline_ends_as_a_row(tmp_path: Path):
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    (source / "slow.png").write_bytes(file_of(photograph(16, 16, 3)))
    options = RunOptions(device="cpu", workers=1, deadline_seconds=1e-3)
    with pytest.raises(ImagesFailed):
        archive(str(source), str(store), DRAFT, options)
    row = rows_of(store)["slow.png"]
    assert (row["status"], row["error_type"]) == ("failed", "DeadlineExceeded")
    assert not (store / "bitstreams").exists()


def test_nothing_below_its_contract_is_archived(tmp_path: Path):
    """An image that no fit brings there is kept without loss, and treated like the rest."""
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    noise = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    (source / "noise.png").write_bytes(file_of(Image.fromarray(noise)))
    (source / "face.png").write_bytes(file_of(photograph(16, 16, 3)))
    words = ("archive", source, store, *ON_A_CPU, "--rd-lambda", 0.004)
    contract = ("--min-psnr", 22, "--max-refits", 0)
    for n_before in (0, 2):
        found = json.loads(invoke(*words, *contract, "--json").output)
        assert (found["n_archived"], found["n_before"]) == (2 - n_before, n_before)
        assert found["n_stored_lossless"] == (n_before == 0)
    sql = "select source_path, model, psnr_db >= min_psnr_db, refits from images order by 1"
    assert json.loads(invoke("query", store, sql, "--json").output)["rows"] == [
        ["face.png", "mlp", True, 0],
        ["noise.png", "lossless", True, 0],
    ]
    assert json.loads(invoke("verify", store, "--json").output)["counts"] == {"intact": 2}
    assert invoke("restore", store, tmp_path / "back").exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "back" / "noise.png")), noise)
    flipped = store / rows_of(store)["noise.png"]["key"]
    data = bytearray(flipped.read_bytes())
    data[40] ^= 1
    flipped.write_bytes(data)
    assert json.loads(invoke("verify", store, "--json").output)["counts"] == {"intact": 1, "damaged": 1}
    found = json.loads(invoke(*words, *contract, "--json").output)
    assert (found["n_archived"], found["n_stored_lossless"], found["n_before"]) == (1, 1, 1)
    assert found["config"] == "mlp draft, rd_lambda = 0.004, at least 22 dB"


def test_fits_take_the_steps_that_a_run_is_given_and_have_keys_of_their_own(tmp_path: Path):
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    (source / "a.png").write_bytes(file_of(photograph(16, 16, 3)))
    for n_steps in (100, 200):
        assert archive(str(source), str(store), DRAFT, OPTIONS, n_steps=n_steps).n_archived == 1
        assert rows_of(store)["a.png"]["archive_digest"] == Recipe(DRAFT, None, n_steps).archive_digest()
    history = parts.read_history(LocalStore(store)).to_pylist()
    assert {point["n_steps"] for point in history} == {100, 200}


USUAL = CodecConfig(model="mlp")


@pytest.mark.parametrize("n_batch", [1, 64])
def test_images_share_the_hours_of_a_run_which_a_later_run_goes_on_with(tmp_path: Path, n_batch: int):
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    for n in range(2):
        (source / f"{n}.png").write_bytes(file_of(photograph(16 + n, 16, 3)))
    options = OPTIONS.model_copy(update={"workers": 1, "batch_images": n_batch})
    with fits_from(1, 60):
        summary = archive(str(source), str(store), USUAL, options, hours=1.0)
    assert summary.config == "mlp in hours, rd_lambda = 0.002"
    rows = rows_of(store)
    assert {(row["preset"], row["n_steps"]) for row in rows.values()} == {("in hours", 60)}
    assert 1500 < rows["0.png"]["budget_seconds"] <= 1800  # a half of what is left of an hour
    assert 3000 < rows["1.png"]["budget_seconds"] <= 3600  # all of it: the first one hardly took any
    assert archive(str(source), str(store), USUAL, options, hours=2.0).n_before == 2


def test_an_image_that_has_too_little_time_is_a_row_that_says_so(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(file_of(photograph(16, 16, 3)))
    with pytest.raises(ImagesFailed):
        archive(str(tmp_path / "a.png"), str(tmp_path / "store"), USUAL, OPTIONS, seconds_per_image=1e-3)
    row = rows_of(tmp_path / "store")["a.png"]
    assert (row["preset"], row["error_type"]) == ("0.001 s", "BudgetTooSmall")


def test_a_preset_beside_a_time_is_refused_before_anything_is_done(tmp_path: Path):
    for length in ({"seconds_per_image": 60.0}, {"hours": 1.0}, {"seconds_per_image": -1.0}, {"hours": 0.0}):
        with pytest.raises(ConfigError):
            archive(str(tmp_path), str(tmp_path / "store"), DRAFT, OPTIONS, **length)
    with pytest.raises(ConfigError, match="hours: expected a number above 0, found 0"):
        archive(str(tmp_path), str(tmp_path / "store"), USUAL, OPTIONS, hours=0.0)


def test_batches_of_a_deployment_get_shares_of_the_whole_time():
    run = begin(OPTIONS.model_copy(update={"deployment": "archive-batch/here"}))
    batches = [Batch([], {"a": 10_000}), Batch([], {"b": 10_000, "c": 10_000, "d": 0})]
    seconds = archive_module._seconds_of_batches(run, batches, 1.0)
    assert [seconds(n) for n in (0, 1)] == [pytest.approx(1200), pytest.approx(2400)]
    here = archive_module._seconds_of_batches(begin(OPTIONS), batches, 1.0)
    assert [here(n) for n in (0, 1)] == [pytest.approx(1200, abs=5), pytest.approx(3600, abs=5)]
    assert archive_module._seconds_of_batches(run, batches, None)(0) is None


def test_rows_are_committed_in_batches(tmp_path: Path):
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    for n in range(25):
        (source / f"{n}.png").write_text(f"no photograph {n}")
    summary = archive(str(source), str(store), DRAFT, RunOptions(device="cpu", workers=3, batch_images=10))
    assert (summary.n_archived, summary.n_failed, summary.n_bad) == (0, 25, 25)
    assert len(list((store / "catalogue" / "images").iterdir())) == 3
    assert len(rows_of(store)) == 25


def test_from_s3_into_s3(s3_access: Access):
    """Every step of a run with both ends in a bucket, and a second run that finds nothing to do."""
    place = f"s3://archive/{uuid.uuid4().hex}"
    photos = open_store(f"{place}/photos")
    photos.put("a/grey.png", file_of(photograph(24, 24, 1)))
    photos.put("rgb.png", file_of(photograph(10, 8, 3)))
    photos.put("empty.png", b"")
    for n_before in (0, 2):
        summary = archive(f"{place}/photos", f"{place}/store", DRAFT, OPTIONS)
        found = (summary.n_archived, summary.n_bad, summary.n_known_bad, summary.n_before)
        assert found == ((0, 0, 1, 2) if n_before else (2, 1, 0, 0))
    store = open_store(f"{place}/store")
    rows = lookup.latest(parts.read_images(store).to_pylist(), {})
    assert {row["source_path"]: row["status"] for row in rows} == {
        **dict.fromkeys(["a/grey.png", "rgb.png"], "archived"),
        "empty.png": "failed",
    }
    assert {row["source_uri"] for row in rows} == {
        f"{place}/photos/{name}" for name in ("a/grey.png", "rgb.png", "empty.png")
    }
    assert store.objects("journal") == []


def test_pandas_reads_the_catalogue_as_the_readme_shows(archived_once: Archived):
    rows = pd.read_parquet(archived_once.store / "catalogue" / "images")
    means = rows[rows.status == "archived"].groupby("preset")[["rate_bpp", "psnr_db"]].mean()
    assert means.rate_bpp["draft"] > 0
    assert len(rows) == len(GOOD) + len(BAD)


def test_a_batch_is_large_enough_to_keep_every_worker_busy_here_and_small_elsewhere():
    def size(**given: object) -> int:
        return archive_module._batch_size(begin(RunOptions(**given)))

    assert size(workers=2) == 64
    assert size(workers=16) == 16 * archive_module.ROUNDS
    assert size(workers=16, deployment="a/b") == 64
    assert size(device="cuda", images_per_fit=3) == 3 * archive_module.ROUNDS
