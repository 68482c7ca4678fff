"""CUDA graphs of what a fit does over and over, so that a step costs the host one call."""

from collections.abc import Callable

import torch

_EAGER_CALLS = 2  # of a kind, before it is recorded


class Recorder:
    """Plays work of several kinds, which reads and writes the same tensors each time.

    Args:
        device: The device that works; where it is no CUDA device, nothing is recorded.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._called: dict[str, int] = {}
        self._graphs: dict[str, torch.cuda.CUDAGraph] = {}

    def play(self, kind: str, work: Callable[[], None]) -> None:
        """Do work of a kind: record it when it has been done a few times, play it from then on."""
        if kind in self._graphs:
            self._graphs[kind].replay()
            return
        self._called[kind] = self._called.get(kind, 0) + 1
        if self._device.type != "cuda" or self._called[kind] <= _EAGER_CALLS:
            work()
            return
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        self._graphs[kind] = graph
        graph.replay()
