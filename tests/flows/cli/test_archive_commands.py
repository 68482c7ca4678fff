import json
from pathlib import Path

import pytest

from flows.archive import archive
from flows.cli import exits
from inr.errors import ConfigError
from tasks.catalogue.records import now
from tasks.originals.opening import open_picture
from tasks.originals.patterns import Patterns
from tasks.plan import planning
from tasks.plan.machine import Machine, PaceAt
from tasks.plan.pace import Pace
from tasks.report.sweep import DEFAULT_SAMPLE
from tasks.store.folder import LocalStore
from tests.flows.command import inr_run, invoke
from tests.flows.conftest import BAD, DRAFT, GOOD, ON_A_CPU, OPTIONS, Archived
from tests.opens import counting_opens
from tests.tasks.pictures import file_of, image

LAMBDAS = ("--rd-lambda", 0.001, "--rd-lambda", 0.02)


def one_pixel(tmp_path: Path, *names: str) -> Path:
    """A folder of images that need no fit."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, name in enumerate(names):
        (folder / name).write_bytes(file_of(image(1, 1, n + 1)))
    return folder


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that plans are made of from here on, as often as they are."""
    made: list[str] = []
    real = planning.list_source

    def counting(source: str, patterns: Patterns) -> object:
        made.append(source)
        return real(source, patterns)

    monkeypatch.setattr(planning, "list_source", counting)
    return made


def test_the_plan_is_made_once_and_the_flow_takes_that_of_the_command(tmp_path: Path, plans: list[str]):
    """Also into a store that has a catalogue, where something is done already and something is to do."""
    photos, store = one_pixel(tmp_path, "a.png"), tmp_path / "store"
    opened = {"a.png": 3}  # to plan, to encode, to verify
    for n_before in (0, 1):
        plans.clear()
        with counting_opens(photos) as opens:
            made = json.loads(invoke("archive", photos, store, *ON_A_CPU, "--json").stdout)
        assert (made["n_archived"], made["n_before"]) == (1, n_before)
        assert plans == [str(photos)]
        assert opens == opened
        (photos / "b.png").write_bytes(file_of(image(1, 1, 3)))
        opened = {"a.png": 1, "b.png": 3}


def test_a_flow_that_no_command_started_plans_for_itself(tmp_path: Path, plans: list[str]):
    photos = one_pixel(tmp_path, "a.png", "b.png")
    assert archive(str(photos), str(tmp_path / "store"), DRAFT, OPTIONS).n_archived == 2
    assert plans == [str(photos)]


def test_the_help_of_sweep_names_the_sample_of_the_flow():
    words = invoke("sweep", "--help").output.replace("│", "").split()
    assert f"of the source. [{DEFAULT_SAMPLE}]" in " ".join(words)


def test_archive_shows_a_table_failures_first_and_where_to_look(archived: Archived):
    result = inr_run("archive", archived.source, archived.store, *ON_A_CPU, "--retry-bad")
    assert result.returncode == exits.BAD_ORIGINALS
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["image", "size", "model", "λ", "bpp", "PSNR", "seconds", "verified"]
    assert all("FAILED" in line for line in lines[1 : 1 + len(BAD)])
    assert "empty.png: UnsupportedImage: expected an image, found a file of 0 bytes" in lines
    done = f"0 of 4 images archived and verified, {len(GOOD)} archived before, 4 failed"
    assert f"{done} by their own fault" in lines
    assert {line.split(":")[0] for line in lines[-3:]} == {"catalogue", "report", "Prefect UI"}
    page = Path(lines[-2].removeprefix("report: "))
    assert page.read_text().startswith("<!doctype html>")
    assert page.with_suffix(".md").read_text().startswith("# 0 of 4 images")
    assert result.stderr == ""
    assert not {"\x1b", "\r"} & set(result.stdout)


def test_a_night_over_a_disk_that_is_not_mounted_fails_where_originals_are_expected(tmp_path: Path):
    """It was mounted the night before; then its folder is empty, as an inbox may be."""
    photos, store = one_pixel(tmp_path, "a.png"), tmp_path / "store"
    words = (photos, store, *ON_A_CPU, "--expect-at-least", 1)
    assert invoke("archive", *words).exit_code == exits.OK
    (photos / "a.png").unlink()
    for command in ("archive", "plan"):
        refused = invoke(command, *words)
        assert refused.exit_code == exits.USAGE
        assert "at least 1 original, found 0; is the name right, and is it mounted?" in refused.stderr
    assert invoke("archive", *words[:-2]).exit_code == exits.OK
    with pytest.raises(ConfigError, match="expected at least 1 original"):
        archive(str(photos), str(store), DRAFT, OPTIONS, expect_at_least=1)


def test_a_bad_file_is_told_the_first_time_and_listed_from_then_on(tmp_path: Path):
    photos, store = one_pixel(tmp_path, "a.png", "b.gif.png"), tmp_path / "store"
    (photos / "empty.png").touch()
    (photos / "raw").mkdir()
    (photos / "raw" / "c.png").touch()
    words = (photos, store, *ON_A_CPU, "--exclude", "raw/", "--include", "*.png")
    first = invoke("archive", *words)
    assert first.exit_code == exits.BAD_ORIGINALS
    assert "2 of 3 images archived and verified, 1 failed by its own fault" in first.output
    before = sorted(store.rglob("*"))
    for command in ("archive", "plan"):
        shown = invoke(command, *words)
        assert shown.exit_code == exits.OK, shown.output
        line = "empty.png: UnsupportedImage: expected an image, found a file of 0 bytes (known since 20"
        assert any(each.startswith(line) for each in shown.output.splitlines())
        assert "2 archived already; 1 known to be bad; left out: 1 by include and exclude" in shown.output
    found = json.loads(invoke("archive", *words, "--json").stdout)
    assert (found["n_known_bad"], found["known_bad"][0][0], found["n_planned"]) == (1, "empty.png", 0)
    assert json.loads(invoke("plan", *words, "--json").stdout)["known_bad"][0][0] == "empty.png"
    assert sorted(store.rglob("*")) == before
    assert json.loads(invoke("plan", *words, "--retry-bad", "--json").stdout)["n_images"] == 1
    refused = invoke("archive", photos, store, "--exclude", "/raw")
    assert (refused.exit_code, "exclude: expected a pattern" in refused.output) == (exits.USAGE, True)


def test_a_photograph_that_was_renamed_comes_back_under_its_name(tmp_path: Path):
    photos, store = one_pixel(tmp_path, "a.png"), tmp_path / "store"
    words = (photos, store, *ON_A_CPU)
    assert invoke("archive", *words).exit_code == exits.OK
    (photos / "a.png").rename(photos / "original.png")
    (photos / "a.png").write_bytes(file_of(image(1, 1, 2)))
    before = sorted(store.rglob("*"))
    planned = invoke("plan", *words)
    assert "plan: 1 to archive; 1 archived already, 1 of them renamed" in planned.output
    assert sorted(store.rglob("*")) == before
    done = invoke("archive", *words)
    assert "1 archived before, 1 of them renamed" in done.output
    (photos / "original.png").rename(photos / "b.png")
    done = invoke("archive", *words)  # now without a run
    assert "nothing to do: 2 images archived already, 1 of them renamed" in done.output
    assert json.loads(invoke("archive", *words, "--json").stdout)["n_renamed"] == 0
    originals = {path.name: pixels_of(path) for path in photos.iterdir()}
    assert invoke("restore", store, tmp_path / "back").exit_code == exits.OK
    assert {path.name: pixels_of(path) for path in (tmp_path / "back").iterdir()} == originals


def pixels_of(path: Path) -> list[object]:
    return open_picture(path.read_bytes(), max_pixels=1).pixels.tolist()


def test_archive_with_nothing_to_do_says_so_without_a_run(archived: Archived):
    for name in BAD:
        (archived.source / name).unlink()
    before = sorted(archived.store.rglob("*"))
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    result = inr_run(
        "archive", archived.source, archived.store, "--model", "mlp", "--preset", "draft", "--json", **nowhere
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["n_planned"], found["n_before"]) == (0, len(GOOD))
    assert sorted(archived.store.rglob("*")) == before


@pytest.mark.parametrize("command", [["plan"], ["archive", "--dry-run"]])
def test_a_plan_says_what_would_be_done_and_does_nothing(archived_once: Archived, command: list[str]):
    before = sorted(archived_once.store.rglob("*"))
    words = (
        *command,
        archived_once.source,
        archived_once.store,
        "--model",
        "mlp",
        "--preset",
        "draft",
        "--workers",
        2,
    )
    found = json.loads(invoke(*words, "--rd-lambda", 0.01, "--json").output)
    assert (found["n_images"], found["n_refused"]) == (len(GOOD) + len(BAD) - 1, len(BAD))
    assert found["n_pixels"] == 24 * 24 + 9 * 17 + 16 * 24 + 1 + 16
    assert found["origin"] == f"{len(GOOD)} images of this archive under other λ"
    assert found["hours"] > 0
    shown = invoke(*words)
    assert shown.exit_code == exits.OK
    *known, plan = shown.output.splitlines()[: len(BAD) + 1]
    assert dict(why.split(": ")[:2] for why in known) == BAD
    assert plan.startswith(f"plan: 0 to archive; {len(GOOD)} archived")
    *refused, plan = invoke(*words, "--retry-bad").output.splitlines()[: len(BAD) + 1]
    assert dict(why.split(": ")[:2] for why in refused) == BAD
    assert plan.startswith(f"plan: {len(BAD) - 1} to archive; {len(GOOD)} archived")
    assert len(shown.output.splitlines()) == len(BAD) + 1  # of nothing there is no estimate
    assert sorted(archived_once.store.rglob("*")) == before


MACHINE = Machine({}, now(), 0.0, tuple(PaceAt(n, Pace(0.01, 0.5, 0.1)) for n in (10, 1_000_000)))


def test_a_plan_without_rates_gives_no_bytes(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasks.plan.estimate._of_table", lambda config, length: [])
    monkeypatch.setattr("flows.rates.rates_here", lambda config, options: MACHINE)
    shown = invoke("plan", photo, tmp_path / "store").output.splitlines()
    assert shown[-1].endswith(", and no rates for cnn are known")
    assert not any("bytes, and" in line for line in shown)


def test_a_plan_for_a_time_says_what_one_gets_for_it(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flows.rates.rates_here", lambda config, options: MACHINE)
    words = ("plan", photo, tmp_path / "store", "--workers", 1)
    found = json.loads(invoke(*words, "--hours", 0.01, "--json").output)
    assert (found["n_steps"], found["hours"]) == (3540, pytest.approx(0.01))
    assert found["n_bytes"] > 0
    assert found["psnr_db"] > 20
    shown = invoke(*words, "--seconds-per-image", 36).output.splitlines()
    assert any(line.startswith("about 36 s with 1 at a time, fits of 3540 steps") for line in shown)
    short = invoke(*words, "--seconds-per-image", 1).output.splitlines()
    assert "the time is too short for a fit of 1 of them; enough would be 1.1 s for each image" in short
    assert not any(line.startswith("about") for line in short)
    assert not (tmp_path / "store").exists()


def test_archive_takes_its_store_from_the_environment_and_brings_its_own_server(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(image(1, 1, 1)))
    alone = {
        "INR_STORE": str(tmp_path / "store"),
        "PREFECT_API_URL": None,
        "PREFECT_HOME": str(tmp_path / "home"),
    }
    result = inr_run("archive", tmp_path / "photos", "--model", "mlp", "--preset", "draft", "--json", **alone)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert [row["status"] for row in found["images"]] == ["archived"]
    assert "server start" in found["places"]["Prefect UI"]


def test_a_deployment_that_is_not_there_is_the_callers_error(photos: Path, store: LocalStore):
    result = invoke("archive", photos, store.url, *ON_A_CPU, "--deployment", "no/where")
    assert result.exit_code == exits.USAGE
    assert "deployment: expected FLOW/NAME of one that is deployed, found 'no/where'" in result.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "Missing option '--rd-lambda'"),
        (("--rd-lambda", 5), "rd_lambda: expected a number"),
        ((*LAMBDAS, "--model", "gan"), "model: expected one of"),
    ],
)
def test_what_cannot_be_tried_is_refused_before_a_run_begins(
    photos: Path, tmp_path: Path, words: tuple[object, ...], reason: str
):
    result = invoke("sweep", photos, tmp_path / "store", *words)
    assert result.exit_code == exits.USAGE
    assert reason in result.stderr
    assert not (tmp_path / "store").exists()


def test_a_source_without_images_is_refused_too(tmp_path: Path):
    (tmp_path / "bad.png").touch()
    result = invoke("sweep", tmp_path / "bad.png", tmp_path / "store", *LAMBDAS)
    assert result.exit_code == exits.USAGE
    assert "found none" in result.stderr
