"""The two terms of the loss of family `cnn`, and the choice of who computes them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.plain_losses import PlainLosses
from inr.fit.threads import torch_threads


class Losses(Protocol):
    """Differentiable functions of latents, float32 [latents], and of the networks' matrices in wire order."""

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, which come in wire order of grids: a scalar."""

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [channels, height, width]."""


@contextmanager
def losses_on(device: str, architecture: LatentPyramid, *, plain: bool = False) -> Iterator[Losses]:
    """Compiled loops on a CPU with numba, over as many threads as torch may use; else plain operations.

    Args:
        device: "cpu" or "cuda".
        architecture: The network's architecture.
        plain: Take plain operations in any case.
    """
    try:
        from inr.cnn.fit.compiled.losses import CompiledLosses
    except ImportError:
        plain = True
    if plain or device != "cpu":
        yield PlainLosses(architecture)
        return
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
    try:
        with torch_threads(1):  # what is left to torch is too small to share
            yield CompiledLosses(architecture, pool)
    finally:
        if pool is not None:
            pool.shutdown()
