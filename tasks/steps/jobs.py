"""What every image of an archive run has in common."""

from dataclasses import dataclass

from tasks.catalogue.recipe import Recipe
from tasks.settings import RunOptions


@dataclass(frozen=True, kw_only=True)
class ArchiveJob:
    """How the images of a run are to be archived, and where.

    Attributes:
        run_id: Names the run in rows.
        store: URL of the store.
        recipe: What decides the bytes of each file.
        options: How to work.
        n_threads: Threads per fit.
    """

    run_id: str
    store: str
    recipe: Recipe
    options: RunOptions
    n_threads: int = 1
