"""Have the batches of a run done: one after the other in this process, or by the runs of a deployment.

A run of a deployment is taken by a worker of its pool, on any host that reaches the store. The rows of
a batch are read from the store; the state of the run that did it only says that it is over. No state of it
lasts for ever. What is lost is submitted again, until it was lost `MOST_LOST` times.

| state | lasts at most | then |
|---|---|---|
| scheduled, late, paused | ``untaken_seconds`` in which no worker has any | this process does it |
| pending, submitting | ``begin_seconds`` | it is lost |
| running | `SILENT_SECONDS` without a sign of life in the store | it is lost |
| crashed | | it is lost |
| cancelling | ``begin_seconds`` | it is cancelled |

A run that ends before its batches cancels them. But where its worker stops it comes back: then those that a
worker has go on, with their fits. The next attempt submits anew what is not archived by then, and waits for
images that are held in the store, so that none is fitted twice; meanwhile no worker is missed.

The run of a batch that is lost is told to end, for its worker may live. Where that does not end it within
`SECONDS_TO_CANCEL`, it is ended here: the run of a dead worker would be cancelling for ever.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.schemas.objects import State, StateType
from prefect.states import Cancelled, Cancelling

from flows.batches.batch import archive_batch
from flows.batches.server import end, of_earlier_attempts, states_of, submitted, workers_of
from flows.engine.artifacts import SECONDS_BETWEEN_UPDATES, Figures, figures_of
from flows.engine.interrupts import heed_stop, is_told
from flows.engine.listening import listening
from tasks.errors import ImagesFailed, Summary
from tasks.settings import RunOptions

BATCHES_AT_ONCE = 32  # submitted; a pool's own limits say how many run
SECONDS_BETWEEN_LOOKS = 2.0
MOST_LOST = 3  # times, of one batch
SECONDS_TO_SAY = 30.0
SECONDS_TO_CANCEL = 60.0  # a worker kills a run that heeds nothing after 30 s
SILENT_SECONDS, SECONDS_BETWEEN_SIGNS = 600.0, 60.0
WITH_A_WORKER = {StateType.PENDING, StateType.RUNNING, StateType.CANCELLING}

Parameters = Callable[[int], dict[str, Any]]
Heard = Callable[[int, Figures], None]


@dataclass(frozen=True)
class Watch:
    """What is heard of batches on their way, and where it is told.

    Attributes:
        say: Takes a line for people.
        alive: Gives the numbers of the batches that show signs of life in the store.
        heard: Takes the number of a batch and how far it is, as often as it shows that.
    """

    say: Callable[[str], None]
    alive: Callable[[], Collection[int]]
    heard: Heard


def done_batches(
    n_batches: int, parameters: Parameters, options: RunOptions, watch: Watch
) -> Generator[tuple[int, str]]:
    """Have every batch done.

    Args:
        n_batches: Number of batches.
        parameters: Gives the parameters of `archive_batch` for a number.
        options: Its deployment is the one to submit them to, or None for this process; and its bounds hold.
        watch: Hears what becomes of batches, and how far they are.

    Yields:
        The number of each batch and how it ended, in words, in order of completion.

    Raises:
        ConfigError: There is no such deployment.
        StorageError, CatalogueError: In this process, the store cannot be used.
        HandedBack: The worker of this process stops.
    """
    if options.deployment is None:
        yield from _here(range(n_batches), parameters, watch.heard)
    else:
        yield from _Elsewhere(parameters, options, watch).done(range(n_batches))


def _here(numbers: Iterable[int], parameters: Parameters, heard: Heard) -> Generator[tuple[int, str]]:
    for number in numbers:
        heed_stop()

        def hear(summary: Summary, number: int = number) -> None:
            heard(number, Figures.of(summary))

        try:
            with listening(hear):
                archive_batch(**parameters(number))
        except ImagesFailed as failure:  # its rows say so
            yield number, str(failure)
        else:
            yield number, "completed"


@dataclass
class _Batch:
    """A batch that was submitted and is not over.

    Attributes:
        number: Its number.
        n_lost: How often it was lost.
        state: The name of its run's state at the last look.
        since: `time.monotonic` when that state began, or when the batch last gave a sign of life.
        is_taken: True while a worker has it.
    """

    number: int
    n_lost: int
    since: float
    state: str = ""
    is_taken: bool = False


def _is_taken(state: State[Any] | None) -> bool:
    """True for the state of a run that a worker has."""
    return state is not None and state.type in WITH_A_WORKER


class _Elsewhere:
    """The batches of a run on their way through the runs of a deployment."""

    def __init__(self, parameters: Parameters, options: RunOptions, watch: Watch) -> None:
        self._parameters, self._options, self._watch = parameters, options, watch
        self._deployment = str(options.deployment)
        self._on_way, self._ended = dict[UUID, _Batch](), deque[tuple[int, str]]()
        self._earlier = set[UUID]()  # runs of attempts before this one that a worker still has
        self._given_up = dict[UUID, float]()  # runs that were told to end, and when
        self._taken = self._heard = self._answered = time.monotonic()
        self._told = time.monotonic()
        self._is_said, self._is_outage = False, False

    def done(self, numbers: Iterable[int]) -> Generator[tuple[int, str]]:
        """Have batches done; yields and raises as `done_batches`."""
        waiting = deque(numbers)
        try:
            with self._asking_the_server():
                self._take_over()
            while True:
                heed_stop()
                with self._asking_the_server():
                    self._look()
                    self._submit_some(waiting)
                    self._see_off()
                while self._ended:
                    yield self._ended.popleft()
                if not self._on_way and not self._given_up and not self._is_outage:
                    self._earlier.clear()  # which find that nothing is left to do
                    return
                yield from self._done_for_want_of_workers()
                self._tell()
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:  # a signal, or an error of the run, which then nobody hears its batches for
            if ours := self._not_to_go_on():
                end(ours, Cancelling(message="the run that submitted it has ended"))

    def _not_to_go_on(self) -> set[UUID]:
        """The runs that are to end with this one; where it comes back, those that no worker has."""
        if not is_told():
            return {*self._on_way, *self._earlier}
        with suppress(httpx.HTTPError):
            return {run_id for run_id, state in states_of(self._on_way).items() if not _is_taken(state)}
        return set()  # which the next attempt cancels

    def _take_over(self) -> None:
        """Let the batches of an earlier attempt that a worker has go on; the others are in this one's."""
        for run_id, state in of_earlier_attempts().items():
            if _is_taken(state):
                self._earlier.add(run_id)
            else:
                end([run_id], Cancelled(message="another attempt of the run that submitted it does it"))

    @contextmanager
    def _asking_the_server(self) -> Iterator[None]:
        """Bear with a server that does not answer, for as long as with a store; no clock runs meanwhile."""
        try:
            yield
        except httpx.HTTPError as error:
            refused = isinstance(error, httpx.HTTPStatusError) and error.response.status_code < 500
            if refused or time.monotonic() - self._answered > self._options.outage_seconds:
                raise
            if not self._is_outage:
                self._watch.say(f"Prefect's server does not answer, and is asked again: {error}")
            self._is_outage = True
        else:
            self._answered = time.monotonic()
            if self._is_outage:
                self._is_outage, self._taken = False, self._answered
                for batch in self._on_way.values():
                    batch.since = self._answered

    def _submit_some(self, waiting: deque[int]) -> None:
        while waiting and len(self._on_way) < BATCHES_AT_ONCE:
            self._submit(waiting[0], 0)
            waiting.popleft()

    def _submit(self, number: int, n_lost: int) -> None:
        given = self._parameters(number)
        key = f"{given.get('folder')}/{number}/{n_lost}"
        self._on_way[submitted(self._deployment, given, key)] = _Batch(number, n_lost, time.monotonic())

    def _look(self) -> None:
        """Look at what became of the batches, and see to those that are over, or overdue."""
        found = states_of({*self._on_way, *self._earlier})
        self._earlier = {run_id for run_id in self._earlier if _is_taken(found.get(run_id))}
        if alive := self._signs_of_life():  # in the hands of an earlier attempt's batches, or of another run
            self._taken = time.monotonic()
        for run_id, batch in list(self._on_way.items()):
            state = found.get(run_id)
            if state is None:
                self._end(run_id, "its run was deleted")
                continue
            if state.name != batch.state or batch.number in alive:
                batch.since = time.monotonic()
            if state.name == "AwaitingRetry" != batch.state:
                self._watch.say(f"batch {batch.number + 1} waits for another worker: {state.message}")
            batch.state, batch.is_taken = str(state.name), _is_taken(state)
            if state.is_crashed():
                self._lose(run_id, f"{state.name}: {state.message}")
            elif state.is_final():
                self._end(run_id, f"{state.name}: {state.message}")
            elif why := self._overdue(batch, state.type):
                self._give_up(run_id, state.type, why)

    def _signs_of_life(self) -> Collection[int]:
        if time.monotonic() - self._heard < SECONDS_BETWEEN_SIGNS:
            return ()
        self._heard = time.monotonic()
        return self._watch.alive()

    def _overdue(self, batch: _Batch, kind: StateType) -> str | None:
        """What is wrong with a batch that is in a state for too long; None where it is not."""
        seconds, most = time.monotonic() - batch.since, self._options.begin_seconds
        if kind == StateType.RUNNING and seconds > SILENT_SECONDS:
            return f"{batch.state}, and for {seconds:.0f} s none of its images is held in the store"
        if kind in (StateType.PENDING, StateType.CANCELLING) and seconds > most:
            return f"{batch.state} for {seconds:.0f} s, expected at most {most:g} s"
        return None

    def _give_up(self, run_id: UUID, kind: StateType, why: str) -> None:
        """End the run of a batch whose worker is taken for dead; what was to be cancelled is not repeated."""
        if kind == StateType.CANCELLING:
            end([run_id], Cancelled(message=why), force=True)
            self._end(run_id, f"Cancelled: {why}")
        else:
            self._lose(run_id, why)
            end([run_id], Cancelling(message=why))  # the worker, should it live, ends it
            self._given_up[run_id] = time.monotonic()

    def _see_off(self) -> None:
        """Forget the runs that have ended since they were told to; and end those that had time enough."""
        found = states_of(self._given_up)
        for run_id, told in list(self._given_up.items()):
            state = found.get(run_id)
            if state is None or not state.is_cancelling():
                del self._given_up[run_id]
            elif time.monotonic() - told > SECONDS_TO_CANCEL:
                end([run_id], Cancelled(message=f"{state.message}; no worker has ended it since"))

    def _lose(self, run_id: UUID, why: str) -> None:
        batch = self._on_way[run_id]
        if batch.n_lost + 1 == MOST_LOST:
            self._end(run_id, f"lost {MOST_LOST} times, at last: {why}")
            return
        self._submit(batch.number, batch.n_lost + 1)
        del self._on_way[run_id]
        self._watch.say(f"batch {batch.number + 1} was lost, and is submitted again: {why}")

    def _end(self, run_id: UUID, ending: str) -> None:
        self._ended.append((self._on_way.pop(run_id).number, ending))

    def _done_for_want_of_workers(self) -> Generator[tuple[int, str]]:
        """Do a batch here where no worker has had any for too long."""
        waiting, now = len(self._on_way), time.monotonic()
        if not waiting or self._is_outage or any(batch.is_taken for batch in self._on_way.values()):
            self._taken, self._is_said = now, False
            return
        seconds, most = now - self._taken, self._options.untaken_seconds
        if seconds > SECONDS_TO_SAY and not self._is_said:
            self._is_said = True
            with suppress(httpx.HTTPError):
                self._watch.say(
                    f"{workers_of(self._deployment)}; {waiting} batches wait for one. "
                    f"If that lasts for {most:g} s, this run does them itself"
                )
        if seconds > most:
            run_id = next(iter(self._on_way))
            end([run_id], Cancelled(message=f"no worker took it for {seconds:.0f} s; its parent does it"))
            number = self._on_way.pop(run_id).number
            self._watch.say(f"batch {number + 1}: no worker took it for {seconds:.0f} s; this run does it")
            yield from _here([number], self._parameters, self._watch.heard)

    def _tell(self) -> None:
        """Tell how far batches are; a server that does not say so now is asked again the next time."""
        if self._is_outage or time.monotonic() < self._told + SECONDS_BETWEEN_UPDATES:
            return
        self._told = time.monotonic()
        try:
            found = figures_of(self._on_way)
        except Exception as error:  # of Prefect's client, which has tried it several times
            get_run_logger().debug("the progress of batches could not be read: %s", error)
            return
        for run_id, figures in found.items():
            self._watch.heard(self._on_way[run_id].number, figures)
