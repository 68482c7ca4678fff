"""The hours of a run, shared out among its images, so that all of them are done when it is to end.

An image's share goes with its pixels, on top of what an image of none would take. It is found when the
image's turn comes, out of the time that is left then: what earlier images left, or took beyond theirs, is
spread over those that remain. So it is with batches, whose shares their own images share.
"""

import heapq
from collections.abc import Mapping

PIXELS_BESIDE = 1 << 15  # an image of none takes as long as these: their steps, and all that is around them
ROUNDS = 8  # images of a worker that are still to come, up to which workers are looked at one by one
HALVINGS = 30


def weight_of(n_pixels: int) -> int:
    """The weight of an image among those that share a time; one that no header gives pixels has none."""
    return n_pixels + PIXELS_BESIDE if n_pixels else 0


class Shares:
    """A time, and those who share it.

    Args:
        ends_at: The time at which all are to be done, in seconds of any clock; `now` is of the same clock.
        n_workers: So many are worked on at a time.
        weights: The weight of each, by its name, in the order in which their turns come.
    """

    def __init__(self, ends_at: float, n_workers: int, weights: Mapping[str, int]) -> None:
        self._ends_at, self._n_workers = ends_at, n_workers
        self._waiting = dict(weights)
        self._left = sum(weights.values())
        self._running: dict[str, float] = {}  # when each is to be done

    def take(self, name: str, now: float) -> float:
        """The seconds of one whose turn has come; 0 where no time is left.

        It begins now; or, as images of a group do, when the first of the workers is free that are all busy.
        """
        free_at = self._free_at(now)
        rate, begins_at = self._rate(now, free_at), min(free_at)
        weight = self._waiting.pop(name)
        self._left -= weight
        seconds = max(0.0, min(rate * weight, self._ends_at - begins_at))
        self._running[name] = begins_at + seconds
        return seconds

    def end(self, name: str) -> None:
        """Note that one is done."""
        self._running.pop(name, None)

    def _free_at(self, now: float) -> list[float]:
        """When each worker is free."""
        ends = sorted(max(now, at) for at in self._running.values())[-self._n_workers :]
        return ends + [now] * (self._n_workers - len(ends))

    def _rate(self, now: float, free_at: list[float]) -> float:
        """Seconds for a unit of weight with which all that wait are done in time."""
        rate = sum(max(0.0, self._ends_at - at) for at in free_at) / max(1, self._left)
        if len(self._waiting) > ROUNDS * self._n_workers or self._ends_at <= now:
            return rate
        low, high = 0.0, rate
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._end_at(middle, free_at) <= self._ends_at else (low, middle)
        return low

    def _end_at(self, rate: float, free_at: list[float]) -> float:
        """The time at which the last one is done, each taken by the first worker that is free."""
        workers = list(free_at)
        heapq.heapify(workers)
        for weight in self._waiting.values():
            heapq.heapreplace(workers, workers[0] + rate * weight)
        return max(workers)
