"""The one place that says what of the machine a step may use: so many threads, and the card while it is free.

Steps run side by side, as many as there are workers, and share the cores of the machine. Torch's number
holds for the thread that sets it, that of BLAS for the whole process.
"""

import sys
import threading
from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import threadpool_limits

from tasks.settings import Device

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


def the_device(device: Device) -> AbstractContextManager[object]:
    """Wait until the card is free where fits are made on one, and have it for oneself while the body runs.

    Two fits on one card would take as long as one after the other, and the memory of both.

    Raises:
        ConfigError: CUDA was asked for and there is none.
    """
    from inr.encoder import resolve_device  # loads torch

    return _card if resolve_device(device) == "cuda" else nullcontext()
