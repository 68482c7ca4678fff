import subprocess
import sys
import threading

import pytest
import torch

from inr.fit.process import threads_available, torch_threads


@pytest.mark.parametrize("fails", [False, True])
def test_threads_are_as_before_afterwards(fails: bool) -> None:
    before = torch.get_num_threads()
    try:
        with torch_threads(before + 1):
            assert torch.get_num_threads() == threads_available() == before + 1
            with torch_threads(before + 2):
                assert threads_available() == before + 2
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert torch.get_num_threads() == before


def test_a_limit_of_one_thread_is_none_of_another_ones() -> None:
    """Two overlap, and the one that began later ends last; then a third one begins."""
    before, found = torch.get_num_threads(), []
    begun, ended = threading.Event(), threading.Event()

    def other() -> None:
        found.append(threads_available())
        with torch_threads(1):
            begun.set()
            ended.wait(60)
        found.append(torch.get_num_threads())

    torch.set_num_threads(3)
    try:
        with torch_threads(1):
            beside = threading.Thread(target=other)
            beside.start()
            begun.wait(60)
        ended.set()
        beside.join()
        later = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert [*found, torch.get_num_threads()] == [3, 3, 3, 3]
    finally:
        torch.set_num_threads(before)


ARRAYS = """
import numpy as np, resource, sys
from inr.fit.process import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        array = np.empty(20 << 20, np.float32)  # 80 MiB
        array[:: 1024] = 1
        del array
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() >> 20

faults()
apart, before = faults(), resident()
with kept_memory():
    faults()
    inside = faults()
    assert resident() > before + 70
assert resident() < before + 20, (before, resident())
assert inside < 0.1 * apart, (inside, apart)
assert faults() > 0.5 * apart
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt(3) is glibc's")
def test_large_arrays_that_were_freed_are_taken_again_and_given_back_at_the_end() -> None:
    subprocess.run([sys.executable, "-c", ARRAYS], check=True)
