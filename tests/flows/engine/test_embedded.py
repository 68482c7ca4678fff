"""Prefect's embedded server, where there is none: it ends with the run that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli import exits
from flows.engine import embedded
from flows.engine.embedded import OPTIONS as EMBEDDED
from flows.engine.embedded import QUIET, SERVER, SILENT, embedded_server, quiet_prefect
from tests.flows.command import inr_run, inr_started, wait_for
from tests.flows.conftest import ON_A_CPU
from tests.flows.servers import is_server, servers_below
from tests.s3_server import free_ports
from tests.tasks.pictures import file_of, image, photograph


def test_no_server_is_started_where_one_is_named(server: str):
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    before = children.read_text()
    done = list[str]()
    with embedded_server(lambda: done.append("meanwhile")):
        assert children.read_text() == before
        assert done == ["meanwhile"]


# Prints whether a server has begun, and whether it answers: meanwhile, and in the body.
MEANWHILE = """
import os
from pathlib import Path
from flows.engine.embedded import embedded_server, prepare_prefect
prepare_prefect()
def look():
    from prefect.server.api.server import SubprocessASGIServer
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    print(len(children), SubprocessASGIServer().running)
with embedded_server(look):
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY
    look()
    print(PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value())
"""


def test_what_is_done_meanwhile_is_done_while_the_server_starts(home: Path):
    environment = {"PREFECT_API_URL": "", "PREFECT_HOME": str(home)}
    done = inr_run(program=[sys.executable, "-c", MEANWHILE], **environment)
    assert done.stdout.splitlines() == ["1 False", "1 True", "None"], done.stderr


def test_the_server_of_a_run_that_is_killed_ends_too(tmp_path: Path, home: Path):
    """While a fit is on its way: the image of one colour before it needs none."""
    source, store = tmp_path / "photos", tmp_path / "store"
    source.mkdir()
    (source / "0.png").write_bytes(file_of(image(1, 1, 3)))
    (source / "1.png").write_bytes(file_of(photograph(8, 8, 3)))
    process = inr_started("archive", source, store, *ON_A_CPU, PREFECT_API_URL="", PREFECT_HOME=str(home))
    wait_for(lambda: any((store / "bitstreams").rglob("*.inr")), process)
    [server] = servers_below(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    until = time.monotonic() + 60
    while is_server(server):
        assert time.monotonic() < until
        time.sleep(0.1)


def unwritable(folder: Path) -> dict[str, str]:
    (folder / "file").touch()
    return {"PREFECT_HOME": str(folder / "file" / "home")}


def no_database(folder: Path) -> dict[str, str]:
    (folder / "home").mkdir()
    (folder / "home" / "prefect.db").write_text("this is no database, and never was one")
    return {"PREFECT_HOME": str(folder / "home")}


def bad_setting(folder: Path) -> dict[str, str]:
    return {"PREFECT_HOME": str(folder / "home"), "PREFECT_SERVER_API_PORT": "many"}


def nobody_there(folder: Path) -> dict[str, str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return {"PREFECT_HOME": str(folder / "home"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}


def no_address(folder: Path) -> dict[str, str]:
    return {"PREFECT_HOME": str(folder / "home"), "PREFECT_API_URL": "nonsense"}


@pytest.mark.parametrize(
    ("kept_by", "reason"),
    [
        (unwritable, "PREFECT_HOME cannot be written: {folder}/file/home: Not a directory"),
        (no_database, "file is not a database"),
        (bad_setting, "Prefect cannot be loaded: "),
        (nobody_there, "does not answer: [Errno 111] Connection refused"),
        (no_address, "Prefect's server at PREFECT_API_URL, nonsense, does not answer: "),
    ],
)
def test_what_keeps_the_server_from_starting_is_said_in_a_line_within_seconds(
    tmp_path: Path, kept_by: Callable[[Path], dict[str, str]], reason: str
):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(photograph(8, 8, 3)))
    environment, started = kept_by(tmp_path), time.monotonic()
    result = inr_run(
        "archive", tmp_path / "photos", tmp_path / "store", **{"PREFECT_API_URL": None} | environment
    )
    assert time.monotonic() - started < 60  # its own time to start is 120 s
    assert result.returncode == exits.STORAGE, result.stderr
    assert result.stderr.startswith("inr: ServerNotStarted: ")
    assert result.stderr.count("\n") == 1
    assert reason.format(folder=tmp_path) in result.stderr


def test_a_password_in_the_address_of_a_server_is_not_repeated(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(image(1, 1)))
    address = "http://me:hunter2@127.0.0.1:9/api"
    result = inr_run("archive", tmp_path / "photos", tmp_path / "store", "--json", PREFECT_API_URL=address)
    assert result.returncode == exits.STORAGE, result.stderr
    assert "PREFECT_API_URL, http://…@127.0.0.1:9/api, does not answer" in result.stderr
    assert "hunter2" not in result.stdout + result.stderr


def test_a_server_that_wants_credentials_is_used_with_them_and_refuses_without_in_a_line(
    tmp_path: Path, home: Path
):
    """The server is a real one; the embedded one that a command starts with such a setting is used, too."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(image(1, 1)))
    words = ("archive", tmp_path / "photos", "--model", "mlp", "--preset", "draft", "--device", "cpu")
    [port] = free_ports(1)
    secret = {"PREFECT_HOME": str(home), "PREFECT_SERVER_API_AUTH_STRING": "admin:secret"}
    server = [sys.executable, "-c", SERVER, *EMBEDDED, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(server, env={**os.environ, **secret}, stdin=subprocess.PIPE) as running:
        wait_for(lambda: embedded._answers(port), running)
        named = {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_HOME": str(tmp_path / "other")}
        for wrong in ({}, {"PREFECT_API_AUTH_STRING": "admin:wrong"}):
            refused = inr_run(*words, tmp_path / "refused", **named, **wrong)
            assert refused.returncode == exits.STORAGE, refused.stderr
            assert "refuses us with status 401; expected PREFECT_API_AUTH_STRING" in refused.stderr
            assert refused.stderr.count("\n") == 1
            assert "secret" not in refused.stderr
        done = inr_run(*words, tmp_path / "named", **named, PREFECT_API_AUTH_STRING="admin:secret")
        assert done.returncode == exits.OK, done.stderr
        running.terminate()
    alone = inr_run(*words, tmp_path / "alone", PREFECT_API_URL=None, **secret)
    assert alone.returncode == exits.OK, alone.stderr


def test_prefect_is_quiet_unless_the_user_has_said_otherwise_and_silent_towards_others_in_any_case(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in QUIET:
        monkeypatch.delenv(name, raising=False)
    for name in SILENT:
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "DEBUG")
    quiet_prefect()
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "DEBUG"
    assert {name: os.environ[name] for name in SILENT} == SILENT
    from prefect._internal.analytics import is_telemetry_enabled
    from prefect.settings import Settings

    monkeypatch.setattr("prefect._internal.analytics.enabled.is_ci_environment", lambda: False)
    assert not is_telemetry_enabled()
    assert not Settings().server.analytics_enabled


def test_prefect_has_a_place_of_our_own_among_the_users_states_or_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    assert embedded._place() == tmp_path / "user" / ".local" / "state" / "inr" / "prefect"
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    place = embedded._place()
    assert place.parent == tmp_path / "temporary"
    assert place.stat().st_mode & 0o77 == 0
    assert embedded._place() == place
    place.chmod(0o755)  # another user's, say
    assert embedded._place() != place
