"""The choice of who computes the losses of a fit on a CPU."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.losses import Losses
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.fit.process import threads_available, torch_threads


@contextmanager
def losses_of(architecture: LatentPyramid, *, plain: bool = False) -> Iterator[Losses]:
    """Compiled loops where there is numba, over as many threads as torch may use; else plain operations.

    Args:
        architecture: The network's architecture.
        plain: Take plain operations in any case.
    """
    try:
        from inr.cnn.fit.compiled.losses import CompiledLosses
    except ImportError:
        plain = True
    if plain:
        yield PlainLosses(architecture)
        return
    n_threads = threads_available()
    pool = ThreadPoolExecutor(n_threads) if n_threads > 1 else None
    try:
        with torch_threads(1):  # what is left to torch is too small to share
            yield CompiledLosses(architecture, pool)
    finally:
        if pool is not None:
            pool.shutdown()
