"""A command that is told to end says so at once, and ends within seconds.

Ctrl-C, SIGTERM and the end of a terminal raise `KeyboardInterrupt` in the main thread, so that what is
finished is recorded. But the main thread may be inside a long call, and fits and Prefect may take their
time. So a thread learns of the signal in any case: it says the line, and ends the process when its time is
over. Nothing is lost by that: what a run has stored by then the next one takes over.

A run whose worker stops is told so by `TO_HAND_BACK` (see `flows.worker`), some time before the worker ends
it by other means. It ends what it has begun, and goes back to its pool for the rest: the next worker begins
the same run of Prefect again, and what was archived by then is in the catalogue. It goes back as well where
that time is over before what it has begun, and SIGTERM ends it. A flow that does without `handing_back` never
gets the first signal.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS_TO_SAY, SECONDS_TO_END = 0.5, 3.5
EXIT_CODE = 130
TO_HAND_BACK = signal.SIGUSR1

LINE = "inr: interrupted; what was finished is kept\n"
CLEARED = "\r\x1b[2K\x1b[?25h"  # the line of a progress bar goes, and the cursor comes back


_stops = threading.Event()


@contextlib.contextmanager
def heeding_interrupts() -> Iterator[None]:
    """While the body runs, have a signal of `SIGNALS` end the process, with `EXIT_CODE`.

    A signal that whoever started the process wants ignored stays ignored, as by ``nohup``. In a thread other
    than the main one nothing is done, for Python gives signals to that one only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    told = _Told(writer)
    former = {
        number: signal.signal(number, told.interrupt)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    former_writer = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=told.wait, args=(reader, set(former)), name="interrupts", daemon=True).start()
    try:
        yield
    finally:
        told.leave()
        signal.set_wakeup_fd(former_writer)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(writer)


class _Told:
    """Whether the process has been told to end, and how far it is with that."""

    def __init__(self, writer: int) -> None:
        self._writer = writer
        self._is_raised = False
        self._is_said, self._is_over = threading.Event(), threading.Event()

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise in the main thread, for the first signal only: more of them come where a terminal ends."""
        if not self._is_raised:
            self._is_raised = True
            with contextlib.suppress(BlockingIOError):  # there is more than enough to read
                os.write(self._writer, bytes([number]))  # an event loop may have put its own in place of ours
            self._is_said.wait(SECONDS_TO_SAY)
            raise KeyboardInterrupt

    def wait(self, reader: int, numbers: set[int]) -> None:
        """Wait for a signal; then say so, wait for the end of the work, and end the process."""
        with os.fdopen(reader, "rb", buffering=0) as file:
            while (found := file.read(1)) and found[0] not in numbers:
                pass  # of a child, say
            if found:
                _say()
                self._is_said.set()
                self._is_over.wait(SECONDS_TO_END)
                os._exit(EXIT_CODE)  # at its own end Python would wait for threads

    def leave(self) -> None:
        """End the process, if it has been told to; else go on."""
        if self._is_raised:
            self._is_over.set()
            threading.Event().wait()


def _say() -> None:
    """Say that the process ends, as its last word: another thread may be about to draw a progress bar."""
    with contextlib.suppress(OSError):  # the terminal is gone
        terminal = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.write(terminal, ((CLEARED if os.isatty(terminal) else "") + LINE).encode())


class HandedBack(BaseException):
    """The worker of this process stops. This is no error of an image, and no image is tried after it."""


def is_told() -> bool:
    """True if the worker of this process stops, so that nothing is to be begun."""
    return _stops.is_set()


def heed_stop() -> None:
    """Do nothing while the worker of this process goes on.

    Raises:
        HandedBack: It stops.
    """
    if _stops.is_set():
        raise HandedBack


@contextlib.contextmanager
def handing_back() -> Iterator[None]:
    """While the body runs, heed a worker that stops; a run that ends by `HandedBack` goes back to its pool.

    Nothing is done for a run that no worker has started, and inside another one of these.
    """
    from prefect.runtime import deployment

    is_inside = signal.getsignal(TO_HAND_BACK) is _heed_worker
    if threading.current_thread() is not threading.main_thread() or is_inside or deployment.id is None:
        yield
        return
    _stops.clear()
    former = signal.signal(TO_HAND_BACK, _heed_worker)
    try:
        yield
    except HandedBack:
        _go_back()
    except BaseException as error:
        if is_told() and not isinstance(error, Exception):  # by SIGTERM: its time to end is over
            _go_back()
        raise
    finally:
        signal.signal(TO_HAND_BACK, former)
        _stops.clear()


def _heed_worker(number: int, frame: object) -> None:
    _stops.set()


def _go_back() -> NoReturn:
    """Have this run of Prefect begun again by another worker, and end this process without a state."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.objects import State
    from prefect.exceptions import Abort
    from prefect.runtime import flow_run
    from prefect.states import AwaitingRetry

    with get_client(sync_client=True) as client:
        state: State[Any] = AwaitingRetry(message="its worker stopped; what it did is kept")
        client.set_flow_run_state(str(flow_run.id), state)
    raise Abort("its worker stops; another one goes on with it")
