"""Signals end a process with one line and one code, whatever its threads are doing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.exceptions import Abort
from prefect.runtime import deployment

from flows.engine import interrupts
from flows.engine.images import archive_all, new_job
from flows.engine.interrupts import (
    LINE,
    SIGNALS,
    TO_HAND_BACK,
    HandedBack,
    handing_back,
    heed_stop,
    heeding_interrupts,
    is_told,
)
from flows.engine.listening import listening
from flows.engine.runs import begin
from flows.restore import restore
from flows.verify import verify
from tasks.catalogue.parts import read_audits, read_images
from tasks.catalogue.recipe import Recipe
from tasks.errors import ImagesFailed, Summary
from tasks.plan.planning import make_plan
from tasks.report.summary import RunSummary
from tasks.steps.audit import plan_audit
from tasks.store.folder import LocalStore
from tests.flows.command import ROOT
from tests.flows.conftest import DRAFT, GOOD, OPTIONS, Archived, rows_of
from tests.tasks.pictures import file_of, image

WORK = """
import ctypes, signal, sys, threading, time
from flows.engine.interrupts import heeding_interrupts
def busy():
    mutex, lock = ctypes.create_string_buffer(256), ctypes.CDLL(None).pthread_mutex_lock
    for _ in range(60):
        time.sleep(1) if "deaf" not in sys.argv else lock(mutex)  # the second time it never returns
with heeding_interrupts():
    threading.Thread(target=time.sleep, args=(60,)).start()
    try:
        print("ready", flush=True)
        busy()
    except KeyboardInterrupt:
        print("finished is kept", flush=True)
        sys.stderr.write("a traceback")
        if "slow" in sys.argv:
            time.sleep(60)
        raise
"""


def begun(*words: str, ignored: tuple[int, ...] = ()) -> "subprocess.Popen[str]":
    def prepare() -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-c", WORK, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("words", [(), ("slow",), ("deaf",)])
def test_a_signal_is_a_line_and_a_code_within_seconds(words: tuple[str, ...]):
    """A process for each signal, all at once: they have little to do but wait."""
    processes = [begun(*words) for _ in SIGNALS]
    started = time.monotonic()
    for process, number in zip(processes, SIGNALS, strict=True):
        for _ in range(3):  # a terminal that ends sends more than one
            process.send_signal(number)
    for process in processes:
        stdout, stderr = process.communicate(timeout=30)
        assert time.monotonic() - started < 5
        assert process.returncode == 130
        assert stderr == LINE
        if words != ("deaf",):  # whose long call may not have begun
            assert stdout == "finished is kept\n"


def test_what_is_to_be_ignored_stays_ignored():
    process = begun(ignored=(signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130


def test_afterwards_all_is_as_it_was():
    before = [signal.getsignal(number) for number in SIGNALS]
    n_open = len(list(Path("/proc/self/fd").iterdir()))
    with heeding_interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
    until = time.monotonic() + 10
    while len(list(Path("/proc/self/fd").iterdir())) > n_open:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_time_to_end_leaves_room_for_the_rest():
    assert interrupts.SECONDS_TO_END < 5


@pytest.fixture
def of_a_worker(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """This process is that of a run that a worker has started; gives what went back to a pool."""
    went_back: list[str] = []

    def go_back() -> None:
        went_back.append("back")
        raise Abort

    monkeypatch.setattr(deployment, "id", "id", raising=False)
    monkeypatch.setattr(interrupts, "_go_back", go_back)
    return went_back


def test_a_run_that_is_told_goes_back_at_the_next_occasion(of_a_worker: list[str]):
    def run() -> None:
        with handing_back():
            heed_stop()
            with handing_back():  # of a batch in the process of its parent
                os.kill(os.getpid(), TO_HAND_BACK)
            assert is_told()
            heed_stop()

    with pytest.raises(Abort):
        run()
    assert of_a_worker == ["back"]
    assert signal.getsignal(TO_HAND_BACK) == signal.SIG_DFL


def test_who_ends_before_does_not_go_back_and_the_next_run_is_not_told(of_a_worker: list[str]):
    with handing_back():
        os.kill(os.getpid(), TO_HAND_BACK)
    with handing_back():
        heed_stop()
    assert of_a_worker == []


def test_what_no_worker_has_started_heeds_no_signal():
    with handing_back():
        assert signal.getsignal(TO_HAND_BACK) == signal.SIG_DFL
    with pytest.raises(HandedBack), handing_back():
        raise HandedBack


def test_images_that_are_begun_end_and_are_recorded_before_a_run_goes_back(
    tmp_path: Path, store: LocalStore, of_a_worker: list[str], monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.png").write_bytes(file_of(image(1, 1, n + 1)))
    options = OPTIONS.model_copy(update={"workers": 1})
    found = make_plan(str(folder), store, Recipe(DRAFT).archive_digest(), options).images

    def archived(n_told: int) -> list[Any]:
        """Archive the images in a run of one id, which is told when so many are done."""
        run, n_ended = begin(options, run_id="run"), 0
        summary = RunSummary("run", str(folder), store.url, "", "", n_planned=4)
        job = new_job(run, store.url, Recipe(DRAFT))

        def ended_one(image: object) -> None:
            nonlocal n_ended
            n_ended += 1
            if n_ended == n_told:
                os.kill(os.getpid(), TO_HAND_BACK)

        with handing_back():
            return archive_all(run, ((each, job) for each in found), summary, ended_one)

    with pytest.raises(Abort):
        flow(name="told")(archived)(2)
    assert (len(rows_of(store.root)), of_a_worker) == (2, ["back"])
    assert store.objects("journal") == []
    rows = flow(name="again")(archived)(4)  # too late to be told
    assert (len(rows), of_a_worker) == (4, ["back"])
    assert read_images(store).num_rows == 4  # what has a row from before gets no second one


def told_at_once(summary: Summary) -> None:
    """Stop the worker of a run when the first item is done."""
    if summary.n_done == 1:
        os.kill(os.getpid(), TO_HAND_BACK)


def test_an_audit_that_is_told_records_what_it_read_and_the_next_attempt_reads_the_rest(
    archived: Archived, of_a_worker: list[str]
):
    """What the first attempt finds lost is in the count of the second one, too."""
    plan = plan_audit(LocalStore(archived.store))
    (archived.store / plan.records[0].stored.file.key).unlink()
    options = OPTIONS.model_copy(update={"workers": 1})
    with listening(told_at_once), pytest.raises(Abort):
        verify(str(archived.store), unread_days=0, options=options)
    assert of_a_worker == ["back"]
    first = read_audits(LocalStore(archived.store)).to_pylist()
    assert 1 <= len(first) < len(plan.records)
    with pytest.raises(ImagesFailed) as failure:
        verify(str(archived.store), unread_days=1e-6, options=options)
    assert failure.value.summary.counts["missing"] == 1
    rows = read_audits(LocalStore(archived.store)).to_pylist()
    assert {row["key"] for row in rows} == {record.stored.file.key for record in plan.records}


def test_a_restoration_that_is_told_goes_on_where_it_was(
    archived: Archived, of_a_worker: list[str], tmp_path: Path
):
    target, options = tmp_path / "back", OPTIONS.model_copy(update={"workers": 1})
    with listening(told_at_once), pytest.raises(Abort):
        restore(str(archived.store), str(target), options=options)
    n_before = sum(path.is_file() for path in target.rglob("*"))
    assert (of_a_worker, 1 <= n_before < len(GOOD)) == (["back"], True)
    summary = restore(str(archived.store), str(target), options=options)
    assert (summary.n_restored, summary.n_present) == (len(GOOD), n_before)
