"""Prefect's pages of a run, in a browser: what an operator finds there."""

import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.flows.conftest import BAD, GOOD, ONE_COLOUR, Archived
from tests.s3_server import free_ports

START_SECONDS = 300


@pytest.fixture(scope="module")
def ui(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with pages, which that of the other tests has not, over the same database."""
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL

    folder, [port] = tmp_path_factory.mktemp("ui"), free_ports(1)
    address = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"},
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": str(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()),
        "PREFECT_SERVER_UI_API_URL": f"{address}/api",  # else the pages ask port 4200
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-services", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        wait_for(f"{address}/api/health", process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)


def test_a_run_and_its_artifacts_are_found_from_the_list_of_runs(
    archived_once: Archived, ui: str, browser: Browser
):
    headline = archived_once.summary.headline()
    # The list shows the newest runs; on a server that other tests have used, one looks for a name.
    browser.open(f"{ui}/runs?flow-run-search={urllib.parse.quote(str(archived_once.source))}")
    browser.wait_for(f"archive {archived_once.source} into {archived_once.store}")
    browser.open(f"{ui}/runs/flow-run/{archived_once.summary.run_id}")
    browser.wait_for(f"archive {archived_once.source} into {archived_once.store}")
    browser.click("Artifacts")
    for name in ("archive-progress", "archive-images", "archive-summary", headline):
        browser.wait_for(name)
    browser.click("archive-summary")
    browser.wait_for("Lowest PSNR")
    shown = browser.text()
    assert all(error in shown for error in BAD.values())
    assert "Rate against PSNR of 4 images" in shown
    assert browser.n_images() == 1 + len(GOOD - ONE_COLOUR)


def test_the_table_shows_failures_first_and_names_as_they_are(
    archived_once: Archived, ui: str, browser: Browser
):
    browser.open(f"{ui}/runs/flow-run/{archived_once.summary.run_id}")
    browser.wait_for("Artifacts")
    browser.click("Artifacts")
    browser.wait_for("archive-images")
    browser.click("archive-images")
    browser.wait_for(r"not\xffutf8.png")
    shown = browser.text()
    names = [*sorted(BAD), *sorted(GOOD)]
    positions = [shown.index(name) for name in names]
    assert positions == sorted(positions)
