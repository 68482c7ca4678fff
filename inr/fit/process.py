"""What a fit changes in its process, and puts back: how many threads torch uses, and what memory is kept."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Parameters of glibc's mallopt(3), and what glibc itself comes to at most as a process frees large arrays.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_USUALLY = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
_MOST = 2**31 - 1  # bytes, the most that mallopt takes

_lock = threading.Lock()
_mine = threading.local()
_n_limited = _n_keeping = 0  # of all threads
_n_outside = 0  # threads that torch uses where no limit holds


def threads_available() -> int:
    """How many threads torch may use in this thread: what others have limited meanwhile does not count.

    A thread that begins takes over from torch what was last set in any thread.
    """
    return torch.get_num_threads() if getattr(_mine, "depth", 0) or not _n_limited else _n_outside


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads in this thread while the body runs, and as many as before afterwards."""
    global _n_limited, _n_outside
    with _lock:
        before = threads_available()
        if not _n_limited:
            _n_outside = before
        _n_limited += 1
        _mine.depth = getattr(_mine, "depth", 0) + 1
        torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        with _lock:
            _n_limited -= 1
            _mine.depth -= 1
            torch.set_num_threads(before)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let this process keep the memory that any of its threads frees while the body runs.

    Else glibc gives each array of more than 32 MiB back to the system at once, and every page of the next
    one has to be cleared again: a third of the time of a step of several megapixels, on a virtual machine.
    Afterwards what is free goes back. Where the C library is another one, nothing is done.
    """
    global _n_keeping
    library = _glibc()
    with _lock:
        _n_keeping += 1
        if library is not None and _n_keeping == 1:
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, _MOST)
    try:
        yield
    finally:
        with _lock:
            _n_keeping -= 1
            if library is not None and not _n_keeping:
                for parameter, value in _USUALLY.items():
                    library.mallopt(parameter, value)
                library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
