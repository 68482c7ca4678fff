import json
from pathlib import Path

from flows.cli import exits
from tests.flows.cli.test_app import invoke
from tests.flows.conftest import BAD, GOOD, Archived


def test_the_command_writes_a_page_and_replaces_it(archived_once: Archived, tmp_path: Path):
    page = tmp_path / "report.html"
    page.write_text("older")
    result = invoke("report", archived_once.store, "-o", page, "--worst", 2)
    assert result.exit_code == exits.OK
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.count('class="before"') == 2
    counts = f"{len(GOOD)} bitstreams of {len(GOOD)} images, {len(BAD)} failures"
    assert result.output == f"{page}: {counts}, 2 shown; {page.stat().st_size} bytes\n"


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
    for store, output, told in (
        (archived_once.store, tmp_path, "output: expected a file"),
        (archived_once.store, tmp_path / "none" / "report.html", "output: expected a file"),
        (tmp_path / "none", tmp_path / "report.html", "expected an archive, found no row"),
        ("ftp://store", tmp_path / "report.html", "ftp://store"),
    ):
        result = invoke("report", store, "-o", output)
        assert result.exit_code == exits.USAGE
        assert told in result.stderr
    assert list(tmp_path.iterdir()) == []
