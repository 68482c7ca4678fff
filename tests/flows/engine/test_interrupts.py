"""Signals end a process with one line and one code, whatever its threads are doing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.engine import interrupts
from flows.engine.interrupts import LINE, SIGNALS, heeding_interrupts
from tests.flows.command import ROOT

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
