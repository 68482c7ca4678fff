import os
import subprocess
import sys
import time

import pytest

from benchmarks.processes import below, resident_mib, run

ALLOCATE = "import time; kept = bytearray(100 << 20); time.sleep(1); sum(range(10**7)); print('done')"


def test_the_cost_is_that_of_the_command():
    found = run([sys.executable, "-c", ALLOCATE], sample_seconds=0.05)
    assert found.printed == "done\n"
    assert found.seconds >= 1
    assert 0.05 < found.cpu_seconds < found.seconds
    assert 100 < max(own for _, own, _ in found.samples) < 200
    assert found.peak_mib > 100


def test_memory_is_not_that_of_the_process_which_measures():
    kept = bytearray(100 << 20)
    assert run([sys.executable, "-I", "-S", "-c", "pass"]).peak_mib < 50
    assert len(kept) == 100 << 20


def test_memory_is_not_sampled_unless_asked_for():
    assert run([sys.executable, "-c", "pass"], {"A": "1"}).samples == []


def test_the_environment_is_what_was_given():
    program = "import os; print(os.environ['A'])"
    assert run([sys.executable, "-c", program], {"A": "1"}).printed == "1\n"


def test_a_command_that_fails_raises():
    with pytest.raises(subprocess.CalledProcessError, match="exit status 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])


def test_processes_below_are_found_at_any_depth():
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ALLOCATE!r}])"
    with subprocess.Popen([sys.executable, "-c", nested], stdout=subprocess.DEVNULL) as process:
        until = time.monotonic() + 60
        while not (pids := below(process.pid)) and time.monotonic() < until:
            time.sleep(0.01)
        assert pids
        assert pids[0] in below(os.getpid())
    assert resident_mib(pids[0]) == 0
