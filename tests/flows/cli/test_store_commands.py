import json
import re
from pathlib import Path

import pytest
from PIL import Image

from flows.cli import exits
from flows.compact import compact
from tasks.catalogue.parts import IMAGES, write_rows
from tasks.catalogue.rows import row_of
from tasks.store.locations import open_store
from tests.flows.command import invoke
from tests.flows.conftest import BAD, GOOD, ON_A_CPU, Archived
from tests.s3_gateway import gateway_before
from tests.s3_server import Access, Server
from tests.tasks.rows import failed


def test_query_answers_as_a_table_as_json_and_as_csv(archived_once: Archived):
    sql = "select status, count(*) as n, avg(psnr_db) as psnr, max(recorded_at) as at from images group by 1"
    shown = invoke("query", archived_once.store, sql)
    assert shown.exit_code == exits.OK, shown.output
    assert shown.output.splitlines()[0].split() == ["status", "n", "psnr", "at"]
    assert len(shown.output.splitlines()) == 3
    found = json.loads(invoke("query", archived_once.store, sql, "--json").output)
    assert found["columns"] == ["status", "n", "psnr", "at"]
    assert {row[0]: row[1] for row in found["rows"]} == {"archived": len(GOOD), "failed": len(BAD)}
    lines = invoke("query", archived_once.store, sql, "--csv").output.splitlines()
    assert lines[0] == "status,n,psnr,at"
    assert {tuple(line.split(",")[:2]) for line in lines[1:]} == {
        ("archived", str(len(GOOD))),
        ("failed", str(len(BAD))),
    }
    assert invoke("query", archived_once.store, "select").exit_code == exits.USAGE
    assert invoke("query", archived_once.store, sql, "--csv", "--json").exit_code == exits.USAGE


def test_the_command_writes_a_page_and_replaces_it(archived_once: Archived, tmp_path: Path):
    page = tmp_path / "report.html"
    page.write_text("older")
    result = invoke("report", archived_once.store, "-o", page, "--worst", 2)
    assert result.exit_code == exits.OK
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.count('class="before"') == 2
    counts = f"{len(GOOD)} files of {len(GOOD)} images, {len(BAD)} failed"
    assert result.output == f"{page}: {counts}, 2 with pictures; {page.stat().st_size} bytes\n"


def test_a_report_of_a_run_for_machines(archived_once: Archived, tmp_path: Path):
    page = tmp_path / "report.html"
    run_id = archived_once.summary.run_id
    made = json.loads(invoke("report", archived_once.store, "-o", page, "--run", run_id, "--json").output)
    assert (made["n_archived"], made["n_failed"], made["n_bytes"]) == (
        len(GOOD),
        len(BAD),
        page.stat().st_size,
    )


def test_what_cannot_be_reported_is_one_line(archived_once: Archived, tmp_path: Path):
    for store, output, reason in (
        (archived_once.store, tmp_path, "output: expected a file"),
        (archived_once.store, tmp_path / "none" / "report.html", "output: expected an existing folder"),
        (archived_once.store, tmp_path / "photo.png", "output: expected a name ending in .html"),
        (tmp_path / "none", tmp_path / "report.html", "expected an archive, found no row"),
        ("ftp://store", tmp_path / "report.html", "ftp://store"),
    ):
        result = invoke("report", store, "-o", output)
        assert result.exit_code == exits.USAGE
        assert reason in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_selects_and_never_replaces(archived_once: Archived, tmp_path: Path):
    taken = tmp_path / "alpha.png"
    Image.new("RGB", (2, 2)).save(taken)
    before = taken.read_bytes()
    where = "source_path in ('alpha.png', 'grey.png')"
    result = invoke("restore", archived_once.store, tmp_path, "--where", where, "--workers", 2)
    assert result.exit_code == exits.OK
    renamed = re.search(r"alpha\.png: restored as (alpha-[0-9a-f-]+\.png)", result.output)
    assert renamed is not None
    assert (tmp_path / renamed[1]).exists()
    assert "2 of 2 images restored: 3 files written, 1 under another name" in result.output
    assert taken.read_bytes() == before
    assert (tmp_path / "grey.png").exists()


def test_the_command_with_nothing_to_restore_says_so(archived_once: Archived, tmp_path: Path):
    result = invoke("restore", archived_once.store, tmp_path, "--where", "psnr_db < 0", "--json")
    assert result.exit_code == exits.OK, result.output
    assert json.loads(result.output)["n_planned"] == 0
    for arguments in (("--where", "nonsense"), ("--format", "gif")):
        assert invoke("restore", archived_once.store, tmp_path, *arguments).exit_code == exits.USAGE


def test_where_nothing_is_to_compact_no_run_is_started(archived: Archived):
    compact(str(archived.store))
    result = invoke("compact", archived.store)
    assert result.exit_code == exits.OK, result.output
    assert result.output == "nothing to compact: no day has more than one part\n"


def test_days_that_are_too_large_to_compact_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for number in range(2):
        name = f"20260101T000000Z-{number:032}.parquet"
        write_rows(open_store(str(tmp_path)), IMAGES, name, [row_of(failed("a.png"))])
    monkeypatch.setattr("tasks.steps.compact.MAX_DAY_BYTES", 1 << 10)
    result = invoke("compact", tmp_path)
    assert result.exit_code == exits.OK, result.output
    assert result.output == "nothing to compact: 1 day of over 0 MiB left alone\n"


def test_prune_lists_settings_and_what_would_go_and_removes_it_when_told(archived: Archived):
    """What the command lists is the word by which it is told; a run goes on with what is left."""
    other = (*ON_A_CPU, "--rd-lambda", 0.05)
    assert invoke("archive", archived.source, archived.store, *other).exit_code == exits.BAD_ORIGINALS
    before = sorted(archived.store.rglob("*"))
    shown = invoke("prune", archived.store)
    assert shown.exit_code == exits.OK, shown.output
    header, first, second, *_, last = shown.output.splitlines()
    assert header.split() == ["setting", "version", "how", "archived", "failed", "bytes", "last"]
    assert ("λ 0.05" in first, "λ 0.002" in second, last) == (True, True, "nothing to remove")
    drop = second.split()[0]
    listed = invoke("prune", archived.store, "--drop", drop)
    n_rows, n_files = len(GOOD) + len(BAD), len(GOOD)
    assert f"files of settings that are given up: {n_files}" in listed.output
    assert f"{n_rows} rows given up, {n_files} objects of" in listed.output
    assert "to remove; --remove does it" in listed.output
    assert sorted(archived.store.rglob("*")) == before
    done = json.loads(invoke("prune", archived.store, "--drop", drop, "--remove", "--json").stdout)
    assert (done["n_given_up"], done["counts"], done["is_done"]) == (n_rows, {"given_up": n_files}, True)
    assert len(list((archived.store / "bitstreams").rglob("*.*"))) == n_files
    assert invoke("verify", archived.store).exit_code == exits.OK
    assert len(invoke("prune", archived.store).output.splitlines()) == 3
    wrong = invoke("prune", archived.store, "--drop", drop)
    assert (wrong.exit_code, "which is that of 0" in wrong.output) == (exits.USAGE, True)
    again = invoke("archive", archived.source, archived.store, *ON_A_CPU, "--json")
    assert json.loads(again.stdout)["n_archived"] == len(GOOD)


@pytest.mark.parametrize("place", ["absent", "empty", "photos", ".", "once/bitstreams"])
@pytest.mark.parametrize(
    "words",
    [
        ("verify", "PLACE"),
        ("restore", "PLACE", "back"),
        ("query", "PLACE", "select count(*) from images"),
        ("compact", "PLACE"),
        ("prune", "PLACE"),
        ("report", "PLACE", "-o", "page.html"),
    ],
    ids=lambda words: words[0],
)
def test_a_place_without_an_archive_is_an_error_of_every_command_that_reads_one(
    archived_once: Archived, tmp_path: Path, words: tuple[str, ...], place: str
):
    (tmp_path / "empty").mkdir()  # the folder of a disk that is not mounted
    (tmp_path / "photos").symlink_to(archived_once.source)
    (tmp_path / "once").symlink_to(archived_once.store)
    before = sorted(tmp_path.rglob("*"))
    paths = {"PLACE": tmp_path / place, "back": tmp_path / "back", "page.html": tmp_path / "page.html"}
    result = invoke(*(paths.get(word, word) for word in words))
    assert result.exit_code == exits.USAGE, result.output
    assert f"store {tmp_path / place}: expected an archive, found no row of a catalogue" in result.stderr
    assert result.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before


def test_check_says_which_promises_a_store_keeps(tmp_path: Path):
    result = invoke("check", tmp_path)
    assert result.exit_code == exits.OK, result.output
    *lines, last = result.output.splitlines()
    assert len(lines) == 6
    assert all(line.startswith("ok: ") for line in lines)
    assert last == f"{tmp_path}: 6 of 6 promises kept"
    found = json.loads(invoke("check", tmp_path, "--json").output)
    assert [promise["problem"] for promise in found["promises"]] == [""] * 6
    assert [path.name for path in tmp_path.iterdir()] == [".tmp"]


def test_check_of_a_folder_that_is_not_there_makes_none(tmp_path: Path):
    result = invoke("check", tmp_path / "unmounted")
    assert result.exit_code == exits.USAGE
    assert "expected a folder, found none" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_and_a_run_refuse_a_server_that_lets_writers_overwrite_each_other(
    s3_server: Server, s3_access: Access, archived_once: Archived
):
    place = "s3://archive/overwritten"
    with gateway_before(s3_server, drops=["if-none-match"]) as through:
        s3_access.through(through)
        result = invoke("check", place)
        assert result.exit_code == exits.STORAGE
        lines = result.output.splitlines()
        assert lines[1].startswith("NOT SO: a second write of a key is refused, and changes nothing; found: ")
        assert [line.partition(":")[0] for line in lines[:5]] == ["ok", "NOT SO", *["not tried"] * 3]
        assert lines[-1] == f"{place}: 1 of 5 promises kept"
        result = invoke("archive", archived_once.source, place, "--model", "mlp")
        assert result.exit_code == exits.STORAGE, result.output
        assert "expected that a second write of a key is refused" in result.stderr
    s3_access.through(s3_server.endpoint)
    assert open_store("s3://archive").objects("overwritten") == []


@pytest.mark.parametrize("command", [("prune", "--days"), ("verify", "--unread-days")], ids=" ".join)
@pytest.mark.parametrize("days", ["-1", "nan", "inf", "1e6", "1e9"])
def test_days_are_those_of_a_calendar(tmp_path: Path, command: tuple[str, str], days: str):
    name, option = command
    refused = invoke(name, tmp_path, option, days)
    assert (refused.exit_code, option in refused.output) == (exits.USAGE, True)
