import fcntl
import hashlib
import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadScopeScheduling

    from tests.browser import Browser
    from tests.s3_server import Access, Server

ROOT = Path(__file__).parents[1]

# Which of the workers of `pytest -n` this is, if any. They share the cores: libraries read these when they
# are imported, and so do the processes that tests start; a test of threads asks for as many as it wants.
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER is not None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # Of its own: two that compile at once can take the same file for different machine code.
    os.environ["NUMBA_CACHE_DIR"] = str(ROOT / "build" / "numba" / WORKER)

# Where there is no graphics card, Triton interprets its kernels; it looks at this when it is first imported.
if not list(Path("/dev").glob("nvidia[0-9]*")):
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Tests that share what takes long to make: Prefect's server, and what the second decoder met in all files.
TOGETHER = ("tests/flows/", "tests/inr/test_vectors.py")

# CI draws the same examples every time, so that a red run is about the change; elsewhere they vary.
# No deadlines: an example that imports or compiles something is slow once, and that proves nothing.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100, print_blob=True)
settings.register_profile("dev", deadline=None, max_examples=100)
settings.register_profile(
    "thorough", deadline=None, max_examples=5000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_configure() -> None:
    """Gives a worker the machine code that `make install` has left beside the sources."""
    if WORKER is None:
        return
    for compiled in [*ROOT.glob("inr/**/__pycache__"), *ROOT.glob("tasks/**/__pycache__")]:
        sources = compiled.parent  # numba tells folders of one name apart by a hash of their paths
        name = f"{sources.name}_{hashlib.sha1(str(sources).encode()).hexdigest()}"
        mine = Path(os.environ["NUMBA_CACHE_DIR"]) / name
        if not mine.exists() and any(compiled.glob("*.nbi")):
            shutil.copytree(compiled, mine, ignore=shutil.ignore_patterns("*.pyc"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests marked `gpu` where there is no CUDA device; torch is imported only to find that out."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.hookimpl(optionalhook=True)  # where pytest-xdist is not installed
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadScopeScheduling":
    """A worker that is free takes the next test, or all those that are to stay `TOGETHER`."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """While a test marked `alone` runs, with what it sets up, the other workers wait."""
    if WORKER is None:
        return (yield)
    shared = Path(item.config.option.basetemp).parent  # all workers' folders lie in it
    with (shared / "gate").open("w") as gate, (shared / "room").open("w") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)  # who waits for an empty room lets nobody in before
        fcntl.flock(room, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        return (yield)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """An S3 server with the bucket ``archive``, one for all tests that want one."""
    from tests.s3_server import running_server

    with running_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_access(
    s3_server: "Server", monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Access]":
    """Access of this process to the server, straight, with the credentials of its owner."""
    from tasks.store import objects, s3_client
    from tests.s3_server import Access

    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("states")))  # where files are kept
    access = Access(monkeypatch)
    access.through(s3_server.endpoint)
    yield access
    s3_client.client.cache_clear()


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """A browser, one for all tests that want one; they are skipped where there is none."""
    from tests.browser import require_programs, running_browser

    require_programs()
    with running_browser() as started:
        yield started
