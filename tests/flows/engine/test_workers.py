"""The one loop over tasks, on threads without Prefect, and the engines of Prefect."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows.engine import workers
from flows.engine.workers import SWITCH_SECONDS, Step, outcomes, switching_often, task_runner
from inr.errors import ConfigError
from tasks.settings import RunOptions
from tasks.store.folder import LocalStore
from tests.flows.command import ROOT
from tests.flows.conftest import ON_A_CPU, rows_of

THREE_COMMANDS = """
import json, os, sys
from distributed import LocalCluster
from flows.cli.app import app
def call(words):
    code = app([*words, "--runner", "dask", "--json"], standalone_mode=False)
    print("code", code)
archive, *others = json.loads(sys.argv[1])
call(archive)
with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
    os.environ["INR_RUNNER_ADDRESS"] = cluster.scheduler_address
    for words in others:
        call(words)
"""


class Threads:
    """An engine as `outcomes` sees it, which knows how many tasks were in flight at once."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(8)
        self.lock = threading.Lock()
        self.in_flight = self.most = 0
        self.order: list[str] = []

    def submit(self, task: Any, parameters: dict[str, Any]) -> "Future[Any]":
        with self.lock:
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self.order.append(task.__name__)
        return self.pool.submit(self.run, task, parameters)

    def run(self, task: Any, parameters: dict[str, Any]) -> Any:
        try:
            time.sleep(0.01)
            return task(**parameters)
        finally:
            with self.lock:
                self.in_flight -= 1


@pytest.fixture
def engine() -> Iterator[Threads]:
    threads = Threads()
    with threads.pool:
        yield threads


def halves(numbers: Sequence[int]) -> list[int | Exception]:
    """A task for a group: the half of each number, or an error for an odd one; none can halve zero."""
    if 0 in numbers:
        raise ZeroDivisionError("zero is in the group")
    return [ValueError(f"{number} is odd") if number % 2 else number // 2 for number in numbers]


def negative(number: int) -> int:
    """A task for one item, which 7 ends."""
    if number == 7:
        raise KeyError(number)
    return -number


def halved(group: Sequence[int]) -> Step:
    return Step(halves, {"numbers": group}, is_for_group=True)


def negated(item: int, result: int) -> Step | None:
    return Step(negative, {"number": result}) if result > 0 else None


def found(items: Iterable[tuple[int, Any]]) -> dict[int, Any]:
    return {item: repr(result) for item, result in items}


def test_each_item_of_a_group_goes_on_alone_with_its_result_or_its_error(engine: Threads):
    groups = [[2, 3, 14], [4]]
    assert found(outcomes(engine, 2, groups, halved, negated)) == {
        2: "-1",
        3: "ValueError('3 is odd')",
        14: "KeyError(7)",
        4: "-2",
    }
    assert engine.order.count("halves") == 2
    assert engine.order.count("negative") == 3


def test_whatever_ends_the_task_of_a_group_ends_its_items_and_no_other(engine: Threads):
    ended = "ZeroDivisionError('zero is in the group')"
    groups = [[6, 0], [8]]
    assert found(outcomes(engine, 1, groups, halved)) == {6: ended, 0: ended, 8: "4"}


def test_a_task_that_returns_too_few_results_is_an_error_of_its_whole_group(engine: Threads):
    def short(numbers: Sequence[int]) -> list[int]:
        return list(numbers)[1:]

    def first(group: Sequence[int]) -> Step:
        return Step(short, {"numbers": group}, is_for_group=True)

    results = found(outcomes(engine, 1, [[1, 2]], first))
    assert all(result.startswith("ValueError(") for result in results.values())
    assert results.keys() == {1, 2}


def test_no_more_tasks_are_in_flight_than_allowed_and_what_was_begun_goes_first(engine: Threads):
    groups = [[2, 4, 6], [8, 10, 12]]
    assert len(found(outcomes(engine, 2, groups, halved, negated))) == 6
    assert engine.most == 2
    assert engine.order[-1] == "negative"
    engine.order.clear()
    found(outcomes(engine, 1, groups, halved, negated))
    assert engine.order == [*["halves", *["negative"] * 3] * 2]


def test_items_are_taken_only_when_there_is_room(engine: Threads):
    taken: list[int] = []

    def groups() -> Iterator[list[int]]:
        for number in range(2, 20, 2):
            taken.append(number)
            yield [number]

    results = outcomes(engine, 2, groups(), halved)
    next(results)
    assert len(taken) <= 3
    assert len(list(results)) == 8


def test_pythons_threads_take_turns_often_only_while_an_engine_runs():
    before = sys.getswitchinterval()
    with switching_often():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    with task_runner(RunOptions(workers=1)):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == before


def test_the_workers_of_dask_keep_the_memory_that_they_free():
    import dask

    workers._dask(RunOptions(device="cpu", workers=2, runner="dask"))
    variables = dask.config.get("distributed.nanny.pre-spawn-environ")
    assert "MALLOC_TRIM_THRESHOLD_" not in variables
    assert "OMP_NUM_THREADS" in variables


def test_dask_does_the_same(photos: Path, store: LocalStore):
    """All three commands in one process, which imports Prefect and torch once.

    The first starts workers of its own; the others share one that is there.
    """
    words = (
        ("archive", photos, store.url, *ON_A_CPU, "--workers", 1),  # each loads Prefect and torch
        ("verify", store.url),
        ("restore", store.url, photos / "back"),
    )
    given = json.dumps([[str(word) for word in command] for command in words])
    done = subprocess.run(
        [sys.executable, "-c", THREE_COMMANDS, given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    printed = re.fullmatch(r"(.*)code 7\n(.*)code None\n(.*)code None\n", done.stdout, re.DOTALL)
    assert printed, done.stdout
    archived, audited, restored = map(json.loads, printed.groups())
    assert (archived["n_archived"], archived["n_failed"]) == (5, 2)
    rows = rows_of(store.root)
    assert [rows[f"{n}.png"]["status"] for n in range(5)] == ["archived"] * 5
    assert rows["bad.png"]["error_type"] == "UnsupportedImage"
    assert store.objects("runs") == store.objects("journal") == []
    assert audited["counts"] == {"intact": 5}
    assert restored["n_restored"] == 5


def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    monkeypatch.setitem(sys.modules, "prefect_dask.task_runners", None)
    with (
        pytest.raises(ConfigError, match=r"dask is not installed: pip install '\S+\[dask\]'"),
        task_runner(RunOptions(runner="dask")),
    ):
        pass
