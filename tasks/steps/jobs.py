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
        seconds: Time of this image, or of this group of images, as its run shares its hours out; None where
            the recipe says how long a fit is.
    """

    run_id: str
    store: str
    recipe: Recipe
    options: RunOptions
    n_threads: int = 1
    seconds: float | None = None

    @property
    def budget_seconds(self) -> float | None:
        """Time of an image, or of a group of images, in all; None where fits are as long as they are."""
        return self.recipe.seconds_per_image if self.seconds is None else self.seconds
