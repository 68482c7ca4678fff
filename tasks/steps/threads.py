"""The one place that says how many threads a step's libraries may use; the first line of every step calls it.

Steps run side by side, as many as there are workers, and share the cores of the machine. Torch's number
holds for the thread that sets it, that of BLAS for the whole process.
"""

import sys

from threadpoolctl import threadpool_limits


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
