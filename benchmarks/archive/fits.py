"""The processes that `benchmarks.archive.overhead` measures beside ``inr archive`` itself.

    python -m benchmarks.archive.fits bare FOLDER WORDS
    python -m benchmarks.archive.fits archive SOURCE STORE WORDS

`bare` fits the images of a folder without an archive and prints the seconds, `archive` is ``inr archive``
with fits of `--steps` steps, for which that command has no option.
"""

import argparse
import json
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
from tasks.catalogue.recipe import Recipe
from tasks.plan.planning import make_plan
from tasks.report.summary import RunSummary, as_values
from tasks.settings import load_settings
from tasks.store.locations import open_store

READY_SECONDS = 10.0


def bare_fits(folder: Path, recipe: Recipe, runner: str, n_workers: int) -> float:
    """Seconds to encode every image of `folder`, `n_workers` at a time, imports and reading aside."""
    from flows.engine.workers import switching_often  # as Python's threads take turns in the flow

    pictures = [read_pixels(path) for path in list_images(folder, [])]
    engine: Callable[..., Executor] = ThreadPoolExecutor
    if runner != "threads":
        engine = partial(ProcessPoolExecutor, mp_context=get_context("spawn"))
    prepare = partial(limit_threads, max(1, n_cores() // n_workers))
    with switching_often(), engine(n_workers, initializer=prepare) as pool:
        list(pool.map(get_ready, range(n_workers)))
        return timed(lambda: list(pool.map(fit, pictures, repeat(recipe.config), repeat(recipe.n_steps))))[1]


def get_ready(_: int) -> None:
    """Import what fits need, and wait, so that every worker has one of these to do."""
    import inr.encoder  # noqa: F401

    time.sleep(READY_SECONDS)


def fit(pixels: Pixels, config: CodecConfig, n_steps: int | None) -> None:
    """Encode an image."""
    from inr import encode

    encode(pixels, config, n_steps=n_steps, device="cpu")


def archive_with_steps(source: str, store: str, recipe: Recipe, runner: str, n_workers: int) -> RunSummary:
    """Do as ``inr archive`` does: plan, and start the flow if anything is to do."""
    from flows.cli.running import started
    from flows.engine.embedded import quiet_prefect
    from flows.engine.handing import Purpose, handing

    quiet_prefect()
    options = load_settings(device="cpu", runner=runner, workers=n_workers).options()
    target, digest = open_store(store), recipe.archive_digest()
    plan = make_plan(source, target, digest, options)
    if plan.n_to_do == 0:
        return RunSummary.of(plan, source, target.url, recipe)
    from flows.archive import archive

    given = (source, store, recipe.config, options, recipe.contract, recipe.n_steps)
    with handing(Purpose(source, target.url, digest), plan):
        summary: RunSummary = started(lambda: archive(*given), module="flows.archive", bar=False)
    return summary


def main(words: Sequence[str] | None = None) -> None:
    """Be one of the processes."""
    parser = argparse.ArgumentParser(prog="benchmarks.archive.fits")
    parser.add_argument("process", choices=("bare", "archive"))
    parser.add_argument("source")
    parser.add_argument("store", nargs="?")
    parser.add_argument("--preset")
    parser.add_argument("--runner")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--steps", type=int)
    chosen = parser.parse_args(words)
    recipe = Recipe(CodecConfig(preset=chosen.preset), n_steps=chosen.steps)
    how = (recipe, chosen.runner, chosen.workers)
    if chosen.process == "bare":
        print(bare_fits(Path(chosen.source), *how))
    else:
        print(json.dumps(as_values(archive_with_steps(chosen.source, chosen.store, *how))))


if __name__ == "__main__":
    main()
