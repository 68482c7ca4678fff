"""For tests of closed files and folders, which root would open all the same."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# linux/capability.h and linux/prctl.h
_VERSION_3, _OVERRIDE, _READ_SEARCH = 0x20080522, 1 << 1, 1 << 2
_SET_SECUREBITS, _NO_ROOT = 28, 1

_Header = ctypes.c_uint32 * 2  # version; process, 0 for this thread
_Sets = (
    ctypes.c_uint32 * 6
)  # effective, permitted and inheritable, of the lower 32 capabilities, then of the upper


@contextmanager
def permissions_hold() -> Iterator[None]:
    """Let permissions of files hold for this thread and what it starts, even if it is root's."""
    if os.geteuid():
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root puts its capabilities aside on Linux only")
    library, header, sets = ctypes.CDLL(None, use_errno=True), _Header(_VERSION_3, 0), _Sets()
    library.capget(header, sets)
    without = _Sets(sets[0] & ~(_OVERRIDE | _READ_SEARCH), *sets[1:])
    if library.prctl(_SET_SECUREBITS, _NO_ROOT, 0, 0, 0) or library.capset(header, without):
        pytest.skip("root may not put its capabilities aside")
    try:
        yield
    finally:
        library.capset(header, sets)
        library.prctl(_SET_SECUREBITS, 0, 0, 0, 0)
