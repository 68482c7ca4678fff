"""Runs without Prefect: the same loop on plain threads."""

import threading

import pytest

from flows.engine.listening import listening
from flows.engine.plain import begin_plainly, in_parts
from flows.engine.workers import Step
from tasks.settings import RunOptions
from tests.flows.command import modules_after
from tests.flows.engine.counted import Counted

OPTIONS = RunOptions(device="cpu", workers=2)


def measure(name: str) -> int:
    if not name:
        raise ValueError("no name")
    return len(name)


def test_every_item_is_done_counted_and_shown_and_one_that_fails_stops_no_other():
    heard: list[int] = []
    summary = Counted(3)
    with listening(lambda shown: heard.append(shown.n_done)):
        run = begin_plainly(OPTIONS)
        run.each(["a", "", "ccc"], lambda name: Step(measure, {"name": name}), summary.count, summary)
    assert (summary.found["a"], summary.found["ccc"]) == (1, 3)
    assert repr(summary.found[""]) == "ValueError('no name')"
    assert heard == [0, 1, 2, 3]
    assert 0 < summary.wall_seconds < 60
    assert run.run_id != begin_plainly(OPTIONS).run_id


def test_a_run_that_is_interrupted_waits_for_no_step():
    release, begun = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        release.wait(60)

    def interrupted() -> None:
        with begin_plainly(OPTIONS).engine() as engine:
            engine.submit(slow, {})
            begun.wait(60)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not release.is_set()
    release.set()


def test_nothing_of_prefect_is_loaded():
    loaded = modules_after("import flows.engine.plain, flows.auditing, flows.restoring, tasks.steps.compress")
    assert "prefect" not in loaded


def test_rows_are_written_in_parts_and_the_rest_at_the_end():
    written: list[list[int]] = []
    with in_parts(3, written.append) as add:
        for number in range(7):
            add(number)
        assert written == [[0, 1, 2], [3, 4, 5]]
    assert written == [[0, 1, 2], [3, 4, 5], [6]]


def test_no_part_is_empty_and_an_error_leaves_the_rest_unwritten():
    written: list[list[int]] = []
    with in_parts(2, written.append) as add:
        add(1)
        add(2)
    assert written == [[1, 2]]

    def broken() -> None:
        with in_parts(2, written.append) as add:
            add(3)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert written == [[1, 2]]


def test_what_was_finished_before_a_signal_is_written():
    written: list[list[int]] = []

    def interrupted() -> None:
        with in_parts(2, written.append) as add:
            for number in range(3):
                add(number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert written == [[0, 1], [2]]
