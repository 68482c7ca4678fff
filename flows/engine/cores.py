"""Share out the cores of this process: items in flight at once, and the threads of each."""

import os

from tasks.settings import MAX_WORKERS, RunOptions


def n_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def n_workers(options: RunOptions) -> int:
    """Items in flight at once: as many as the options name; else one per core, or one alone on a GPU."""
    if options.workers:
        return options.workers
    return 1 if _is_on_gpu(options) else min(n_cores(), MAX_WORKERS)


def n_threads(options: RunOptions) -> int:
    """Threads of each worker, at least one, so that the workers share the cores."""
    return max(1, n_cores() // n_workers(options))


def _is_on_gpu(options: RunOptions) -> bool:
    if options.device != "auto":
        return options.device == "cuda"
    import torch  # two seconds, and only who lets the device be chosen pays them

    return torch.cuda.is_available()
