"""The job that every image of an archive run has in common."""

from dataclasses import dataclass

from tasks.catalogue.recipe import Recipe
from tasks.settings import RunOptions


@dataclass(frozen=True, kw_only=True)
class ArchiveJob:
    """The way in which the images of a run are archived, and the store.

    Attributes:
        run_id: Names the run in rows.
        store: URL of the store.
        recipe: Recipe of each file.
        options: The options of the run.
        n_threads: Threads per fit.
    """

    run_id: str
    store: str
    recipe: Recipe
    options: RunOptions
    n_threads: int = 1
