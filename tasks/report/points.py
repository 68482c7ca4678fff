"""A bounded sample of a run's (rate, PSNR) points for its plot, evenly thinned."""

import math
from dataclasses import dataclass, field

from tasks.catalogue.records import Archived, Outcome

KEPT_POINTS = 500


@dataclass
class ThinnedPoints:
    """Points of the images of a run so far that have a finite PSNR.

    Attributes:
        kept: Rate in bpp and PSNR in dB of every `stride`-th image.
        n_seen: Number of these images.
        stride: 1 at first; doubles whenever more than twice `KEPT_POINTS` are kept.
    """

    kept: list[tuple[float, float]] = field(default_factory=list)
    n_seen: int = 0
    stride: int = 1

    def add(self, outcome: Outcome) -> None:
        """Take the outcome of an image."""
        if not isinstance(outcome, Archived) or not math.isfinite(outcome.verification.psnr_db):
            return
        if self.n_seen % self.stride == 0:
            self.kept.append((outcome.stored.file.rate_bpp, outcome.verification.psnr_db))
        self.n_seen += 1
        if len(self.kept) > 2 * KEPT_POINTS:
            self.kept, self.stride = self.kept[::2], 2 * self.stride
