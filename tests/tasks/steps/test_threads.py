import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from tasks.steps import threads
from tasks.steps.threads import the_device, use_threads


def blas_threads() -> set[int]:
    np.ones((2, 2)) @ np.ones((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_torch_and_blas_use_as_many_threads_as_a_step_may():
    for n_threads in (2, 1):
        use_threads(n_threads)
        assert torch.get_num_threads() == n_threads
        assert blas_threads() == {n_threads}


def test_the_number_holds_for_the_thread_that_asked_for_it():
    use_threads(1)
    found: list[int] = []

    def step() -> None:
        use_threads(2)
        found.append(torch.get_num_threads())

    other = threading.Thread(target=step)
    other.start()
    other.join()
    assert found == [2]
    use_threads(1)


def test_torch_is_loaded_only_by_a_step_that_needs_it():
    code = """
        import sys
        from tasks.steps.threads import use_threads
        use_threads(1)
        assert "torch" not in sys.modules
        use_threads(3, with_torch=True)
        import torch
        assert torch.get_num_threads() == 3
    """
    lines = "\n".join(line.strip() for line in code.strip().splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_fits_on_a_card_wait_for_one_another_and_fits_on_cpus_do_not(monkeypatch: pytest.MonkeyPatch):
    with the_device("cpu"), the_device("cpu"):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with the_device("auto"):
        assert threads._card.locked()
    assert not threads._card.locked()


def test_who_waits_for_the_card_says_so_time_and_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(threads, "SECONDS_BETWEEN_WORDS", 0.01)
    words: list[bool] = []

    def said() -> None:
        words.append(threads._card.locked())
        if len(words) == 3:
            threads._card.release()

    threads._card.acquire()
    with the_device("cuda", waits=said):
        assert len(words) >= 4  # the last one as it begins
    assert not threads._card.locked()
