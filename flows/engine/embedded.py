"""Prefect's embedded server, which a run starts where no other is named, and Prefect's place on this machine.

Prefect's own way to start the server waits on where it has ended long ago, and leaves it in the group of the
terminal, so that Ctrl-C ends it before the run could say how it ended. So we start the same server in a
session of its own, watch it, and hand it to Prefect, which stops it when Python exits. A run that is killed
exits without that, so the server waits for the end of a pipe, whose other end only the run holds: the
kernel closes that in any case.
"""

import atexit
import io
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import IO

from tasks.errors import ServerNotStarted
from tasks.wording import without_secrets

QUIET = {
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # its own 20 s is short on a busy machine
    # Prefect's server keeps the log of each run; the terminal is ours.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
}
SILENT = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}  # whatever the user has set

HOST = "127.0.0.1"
SECONDS_BETWEEN_LOOKS = 0.1
ATTEMPTS = 5
MAX_LOG, MAX_REASON = 1 << 16, 300

SERVER = """
import os, signal, sys, threading, time
def end_with_the_run():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    os._exit(1)
threading.Thread(target=end_with_the_run, daemon=True).start()
from uvicorn.main import main
main()
"""
OPTIONS = ("--factory", "prefect.server.api.server:create_app", "--log-level", "error", "--lifespan", "on")
KIND = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",  # its terminal is our file, where it says why it ends
}

TAKEN = "address already in use"  # by another program, since the port was seen to be free
AN_ERROR = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*: (?P<reason>.+)$", re.MULTILINE)  # ends a traceback
A_LOG_LINE = re.compile(r"^[\d:.]+ \| \w+ +\| \S+ - (?P<reason>.+)$", re.MULTILINE)


def prepare_prefect() -> None:
    """Import Prefect, in an environment that we set before: quiet, without telemetry, in a place of our own.

    That place is ``inr/prefect`` among the user's states, or where these cannot be written a temporary
    folder; `PREFECT_HOME` names another one.

    Raises:
        ServerNotStarted: There is no folder that can be written, or Prefect cannot be imported.
    """
    quiet_prefect()
    if not os.environ.get("PREFECT_HOME"):
        os.environ["PREFECT_HOME"] = str(_place())
    elif why_not := _why_not_written(Path(os.environ["PREFECT_HOME"])):
        raise ServerNotStarted(f"PREFECT_HOME cannot be written: {why_not}")
    if not os.environ.get("PREFECT_API_URL") and (words := os.environ.get("PREFECT_SERVER_API_AUTH_STRING")):
        os.environ["PREFECT_API_AUTH_STRING"] = words  # the embedded server asks for them as any other does
    try:
        with redirect_stderr(io.StringIO()):  # it says there in many lines what the error says in one
            import prefect.main  # noqa: F401
    except Exception as error:  # a setting of Prefect's, a package: whatever it is, no run can start
        reason = " ".join(without_secrets(str(error)).split())
        raise ServerNotStarted(f"Prefect cannot be loaded: {reason}") from error


def quiet_prefect() -> None:
    """Set the part of Prefect's environment that touches nothing on this machine."""
    os.environ.update(SILENT)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def _place() -> Path:
    states = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    place = Path(os.path.expanduser(states)) / "inr" / "prefect"  # noqa: PTH111  where there is no home, too
    if not (why_not := _why_not_written(place)):
        return place
    try:
        place = Path(tempfile.gettempdir()) / f"inr-prefect-{os.geteuid()}"
        place.mkdir(mode=0o700, exist_ok=True)
        found = place.lstat()
        is_ours = found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o77
        return place if is_ours else Path(tempfile.mkdtemp(prefix="inr-prefect-"))
    except OSError as error:
        raise ServerNotStarted(f"no folder can be written: {why_not}; {error.strerror}") from error


def _why_not_written(folder: Path) -> str:
    """The reason why no files can be made in a folder, which is made if it is not there; or nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 12))
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return ""


@contextmanager
def embedded_server(meanwhile: Callable[[], object]) -> Iterator[None]:
    """Start Prefect's embedded server, if Prefect would; should this process be killed, it ends as well.

    Args:
        meanwhile: Done in any case, and while the server starts if one does, since that takes seconds.

    Raises:
        ServerNotStarted: It did not start, or the server that is named does not answer; says why.
    """
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
        temporary_settings,
    )

    if PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        if named := PREFECT_API_URL.value():
            _check_named(named)
        meanwhile()
        yield
        return

    def prepare() -> None:
        import prefect.server.api.server  # noqa: F401  it takes seconds, too

        meanwhile()

    process, port = _started(prepare)
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # the one of this process, which Prefect will find started
    server.server_process, server.port = process, port
    server.running = True
    atexit.register(server.stop)
    # Nobody listens for the signs of life of a run whose server ends with it; it would wait for their thread.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _check_named(url: str) -> None:
    """Ask a server that is named whether it is well, and whether it lets us in, as Prefect's client does."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    said = f"Prefect's server at PREFECT_API_URL, {without_secrets(url)}, "
    with get_client(sync_client=True) as client:
        if error := client.api_healthcheck():
            reason = " ".join(without_secrets(str(error)).split())[:MAX_REASON] or type(error).__name__
            raise ServerNotStarted(f"{said}does not answer: {reason}")
        try:
            client.hello()  # its health it tells anybody
        except PrefectHTTPStatusError as refused:
            status = refused.response.status_code
            expected = "expected PREFECT_API_AUTH_STRING to be its PREFECT_SERVER_API_AUTH_STRING"
            raise ServerNotStarted(f"{said}refuses us with status {status}; {expected}") from refused


def _started(meanwhile: Callable[[], object]) -> "tuple[subprocess.Popen[bytes], int]":
    """The process of a server that answers, and its port."""
    _reach_without_proxy()
    why_not = ""
    for _ in range(ATTEMPTS):
        try:
            with tempfile.TemporaryFile() as log:
                process, port = _begun(log)
                meanwhile()
                why_not = _why_not_answering(process, port, log)
        except OSError as error:  # no port, no memory for a process, no temporary file
            raise ServerNotStarted(f"{error.strerror or error}") from error
        if not why_not:
            return process, port
        if TAKEN not in why_not:
            break
    raise ServerNotStarted(why_not)


def _begun(log: IO[bytes]) -> "tuple[subprocess.Popen[bytes], int]":
    from prefect.settings import get_current_settings

    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVER, *OPTIONS, "--host", HOST, "--port", str(port)]
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    process = subprocess.Popen(
        command,
        env={**os.environ, **settings, **KIND, **SILENT},
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C on a terminal is for the run alone
    )
    return process, port


def _why_not_answering(process: "subprocess.Popen[bytes]", port: int, log: IO[bytes]) -> str:
    """Wait for a server to answer; returns nothing then, or else what keeps it from that."""
    from prefect.settings import PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS

    seconds = PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            return _reason(log) or f"it ended with exit code {process.returncode}"
        if _answers(port):
            return ""
        time.sleep(SECONDS_BETWEEN_LOOKS)
    process.kill()
    process.wait()
    return f"no answer within {seconds:g} s"


def _answers(port: int) -> bool:
    """True if a server at a port says that it is well."""
    from http.client import HTTPConnection, HTTPException

    with suppress(OSError, HTTPException), closing(HTTPConnection(HOST, port, timeout=5)) as connection:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    return False


def _reason(log: IO[bytes]) -> str:
    """The reason for which a server ended, in a line: its last error, or else the last line of its log."""
    n_bytes = os.fstat(log.fileno()).st_size
    text = os.pread(log.fileno(), MAX_LOG, max(0, n_bytes - MAX_LOG)).decode(errors="replace")
    found = list(AN_ERROR.finditer(text)) or list(A_LOG_LINE.finditer(text))
    reason = found[-1]["reason"] if found else text.strip().rpartition("\n")[2]
    return reason[:MAX_REASON]


def _reach_without_proxy() -> None:
    """Have this process, and those that it starts, reach its own server straight."""
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), HOST)))
