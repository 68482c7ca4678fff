"""Everything deployed as the guide says: PostgreSQL, server, pools, deploy, workers, schedule."""

import getpass
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.command import INR
from tests.s3_server import Server, free_ports
from tests.s3_server import environment as s3_environment
from tests.tasks.pictures import file_of, image

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
PREFECT = str(BIN / "prefect")
CONTAINERFILE = (ROOT / "deployments" / "Containerfile").read_text()
ENTRYPOINT: list[str] = json.loads(re.findall(r"(?m)^ENTRYPOINT (.+)$", CONTAINERFILE)[-1])  # of a worker
BINARIES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
N_IMAGES = 6
START_SECONDS = 120
WORKERS = {"control": "inr-control", "one": "inr-workers", "two": "inr-workers"}  # and their pools


@contextmanager
def process(
    command: list[str], log: Path, environment: dict[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs while the body does."""
    with log.open("ab") as out:
        started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(timeout=150)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


@pytest.fixture(scope="session")
def new_database() -> Iterator[Callable[[], str]]:
    """Gives the URL of another empty database of a PostgreSQL.

    It runs not as root, and not below the folders of pytest, which are private.
    """
    if BINARIES is None:
        pytest.skip("postgresql is not installed")
    with tempfile.TemporaryDirectory() as folder:
        yield from running_postgres(Path(folder))


@pytest.fixture(scope="session")
def database(new_database: Callable[[], str]) -> str:
    """The URL of the database in which the server of `environment` keeps its runs."""
    return new_database()


def running_postgres(folder: Path) -> Iterator[Callable[[], str]]:
    as_user: list[str] = []
    if getpass.getuser() == "root":
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    data, user, [port] = str(folder / "data"), "prefect", free_ports(1)

    def run(*words: str) -> None:
        subprocess.run([*as_user, *words], check=True, capture_output=True, cwd=folder)

    run(f"{BINARIES}/initdb", "-D", data, "-U", user, "--auth=trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    run(f"{BINARIES}/pg_ctl", "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
    try:
        numbers = itertools.count()

        def new() -> str:
            name = f"prefect{next(numbers)}"
            run(f"{BINARIES}/createdb", "-h", "127.0.0.1", "-p", str(port), "-U", user, name)
            return f"postgresql+asyncpg://{user}@127.0.0.1:{port}/{name}"

        yield new
    finally:
        run(f"{BINARIES}/pg_ctl", "-D", data, "-m", "fast", "stop")


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photographs, and room for a store."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "photos").mkdir()
    for n in range(N_IMAGES):
        (folder / "photos" / f"{n}.png").write_bytes(file_of(image(8, 8 + n)))
    return folder


@pytest.fixture(scope="session")
def environment(database: str, place: Path, s3_server: Server) -> Iterator[dict[str, str]]:
    """Everything deployed as README says, with one worker for control and two for batches."""
    [port] = free_ports(1)
    chosen = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        **s3_environment(s3_server.endpoint),
        "XDG_STATE_HOME": str(place / "states"),
        "PREFECT_HOME": str(place / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "INR_SOURCE": str(place / "photos"),
        "INR_STORE": str(place / "store"),
        "INR_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    with ExitStack() as stack:
        server = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        stack.enter_context(process(server, place / "server.log", chosen))
        wait_for(f"{chosen['PREFECT_API_URL']}/health", place / "server.log")
        chosen["AUTOMATIONS"] = str(automations(place))
        initialise(chosen)
        for name, port in zip(WORKERS, free_ports(len(WORKERS)), strict=True):
            own = {**chosen, "PREFECT_WORKER_WEBSERVER_PORT": str(port)}
            command = [*worker(name, WORKERS[name]), "--with-healthcheck"]
            stack.enter_context(process(command, place / f"{name}.log", own))
            wait_for(f"http://127.0.0.1:{port}/health", place / f"{name}.log")
        yield chosen


def initialise(environment: dict[str, str], *words: str) -> str:
    """What `deployments/initialise.py` printed."""
    file = str(ROOT / "deployments" / "initialise.py")
    program = [sys.executable, file, "--automations", environment["AUTOMATIONS"], *words]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def worker(name: str, pool: str) -> list[str]:
    """The command that starts a worker of a pool."""
    return [*INR, "worker", pool, "--name", name]


def automations(place: Path) -> Path:
    """Those that are shipped, but for one that would take ten minutes."""
    file = place / "automations.yaml"
    shipped = (ROOT / "deployments" / "automations.yaml").read_text()
    assert "within: 600" in shipped
    file.write_text(shipped.replace("within: 600", "within: 60"))
    return file


@pytest.fixture(scope="module")
def bare(
    new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of a server that looks for late runs every second, and no worker."""
    folder, [port] = tmp_path_factory.mktemp("bare"), free_ports(1)
    chosen = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
        "PREFECT_API_DATABASE_CONNECTION_URL": new_database(),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "1",
        "DO_NOT_TRACK": "1",
        "INR_SOURCE": str(folder / "photos"),
        "INR_STORE": str(folder / "store"),
        "INR_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }
    server = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with process(server, folder / "server.log", chosen):
        wait_for(f"{chosen['PREFECT_API_URL']}/health", folder / "server.log")
        yield chosen


def deploy(environment: dict[str, str], flow: Flow[Any, Any], name: str, **options: Any) -> None:
    """A pool without workers, and a deployment of a flow to it, both under a name."""
    with (
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        entrypoint = f"{flow.fn.__module__}.{flow.fn.__qualname__}"
        client.create_deployment(
            client.create_flow(flow),
            name,
            work_pool_name=name,
            entrypoint=entrypoint,
            pull_steps=[],
            **options,
        )


def make_pools(environment: dict[str, str]) -> None:
    """The pools and the queue that the guide makes."""
    for pool in ("inr-control", "inr-workers"):
        prefect(environment, "work-pool", "create", pool, "--type", "process")
    prefect(environment, "work-queue", "create", "audits", "--pool", "inr-workers", "--priority", "1")


def wait_for(url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.5)


def prefect(environment: dict[str, str], *words: str) -> str:
    """The text that the command printed."""
    done = subprocess.run(
        [PREFECT, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def api(environment: dict[str, str], path: str, query: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{environment['PREFECT_API_URL']}/{path}",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def runs(environment: dict[str, str], flow: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api(
        environment,
        "flow_runs/filter",
        {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"},
    )
    return found
