"""The processes that `benchmarks.archive.overhead` measures beside ``inr archive`` itself.

    python -m benchmarks.archive.fits bare FOLDER WORDS
    python -m benchmarks.archive.fits short N_STEPS SOURCE STORE WORDS

`bare` fits the images of a folder without an archive and prints the seconds, `short` is ``inr archive`` with
fits of so many steps; WORDS are those of ``inr archive``.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from benchmarks.frame import n_cores, timed
from benchmarks.journal import limit_threads
from benchmarks.rd.measuring import Pixels, list_images, read_pixels
from inr.config import CodecConfig


def bare_fits(folder: Path, config: CodecConfig, runner: str, n_workers: int) -> float:
    """Seconds to encode every image of `folder`, `n_workers` at a time, imports and reading aside."""
    from flows.engine.workers import switching_often  # as Python's threads take turns in the flow

    pictures = [read_pixels(path) for path in list_images(folder, [])]
    engine: Callable[..., Executor] = ThreadPoolExecutor
    if runner != "threads":
        engine = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    prepare = partial(limit_threads, max(1, n_cores() // n_workers))
    with switching_often(), engine(n_workers, initializer=prepare) as pool:
        list(pool.map(get_ready, range(n_workers)))
        return timed(lambda: list(pool.map(fit, pictures, repeat(config))))[1]


def get_ready(_: int) -> None:
    """Import what fits need, and wait, so that every worker has one of these to do."""
    import inr.encoder  # noqa: F401

    time.sleep(10)


def fit(pixels: Pixels, config: CodecConfig) -> None:
    """Encode an image."""
    from inr import encode

    encode(pixels, config, device="cpu")


def archive_with_short_fits(n_steps: int, words: Sequence[str]) -> None:
    """``inr archive``, each fit of `n_steps`. Ends the process."""
    from flows.cli.app import app
    from inr.cnn.fit import presets

    presets.PRESET_STEPS["draft"] = n_steps
    app(["archive", *words])


def main(words: Sequence[str]) -> None:
    """Be one of the processes."""
    if words[0] == "short":
        archive_with_short_fits(int(words[1]), words[2:])
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset")
    parser.add_argument("--runner")
    parser.add_argument("--workers", type=int)
    chosen, _ = parser.parse_known_args(words[2:])
    print(bare_fits(Path(words[1]), CodecConfig(preset=chosen.preset), chosen.runner, chosen.workers))


if __name__ == "__main__":
    main(sys.argv[1:])
