"""The one place that says what of the machine a step may use: so many threads, and the card while it is free.

Steps run side by side, as many as there are workers, and share the cores of the machine. Torch's number
holds for the thread that sets it, that of BLAS for the whole process.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from tasks.settings import Device

SECONDS_BETWEEN_WORDS = 60.0  # of one who waits for the card

_card = threading.Lock()


def use_threads(n_threads: int, *, with_torch: bool = False) -> None:
    """Let libraries use so many threads for what this thread does from now on.

    Args:
        n_threads: At least 1.
        with_torch: True where the step needs torch. Otherwise its number is set only where something
            else has loaded torch, since loading it takes seconds.
    """
    threadpool_limits(limits=n_threads, user_api="blas")
    if with_torch or "torch" in sys.modules:
        import torch

        torch.set_num_threads(n_threads)


@contextmanager
def the_device(device: Device, *, waits: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Wait until the card is free where fits are made on one, and have it for oneself while the body runs.

    Two fits on one card would take as long as one after the other, and the memory of both.

    Args:
        device: Device of the fits.
        waits: Called every `SECONDS_BETWEEN_WORDS` while it waits.

    Raises:
        ConfigError: CUDA was asked for and there is none.
    """
    from inr.encoder import resolve_device  # loads torch

    if resolve_device(device) != "cuda":
        yield
        return
    while not _card.acquire(timeout=SECONDS_BETWEEN_WORDS):
        waits()
    try:
        waits()
        yield
    finally:
        _card.release()
