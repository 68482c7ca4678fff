"""Prefect's embedded server, where there is none: it ends with the run that started it."""

import os
import signal
import subprocess
import time
from pathlib import Path

from flows.engine.embedded import embedded_server
from tests.flows.command import inr_started, wait_for
from tests.flows.conftest import ON_A_CPU
from tests.tasks.pictures import file_of, photograph


def test_no_server_is_started_where_one_is_named(server: str):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()
    with embedded_server():
        assert children.read_text() == before


def servers_below(process: "subprocess.Popen[str]") -> list[Path]:
    """Folders in /proc of the Prefect servers that a process has started."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    found = [Path("/proc") / pid for each in children for pid in each.read_text().split()]
    return [path for path in found if is_server(path)]


def is_server(path: Path) -> bool:
    """True if a folder in /proc is that of a running server; what has ended may stay for its parent."""
    try:
        return b"uvicorn" in (path / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_server_of_a_run_that_is_killed_ends_too(tmp_path: Path):
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    for n in range(3):
        (source / f"{n}.png").write_bytes(file_of(photograph(8, 8 + n, 3)))
    home = str(tmp_path / "home")
    process = inr_started("archive", source, store, *ON_A_CPU, PREFECT_API_URL="", PREFECT_HOME=home)
    wait_for(lambda: any((store / "bitstreams").rglob("*.inr")), process)
    [server] = servers_below(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 60
    while is_server(server):
        assert time.monotonic() < until
        time.sleep(0.1)
