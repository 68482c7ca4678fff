"""What of a run's images is worth a picture: points of a plot, and the worst; bounded."""

import math
from dataclasses import dataclass, field

from tasks.catalogue.records import ARCHIVED, CatalogueRecord

KEPT_POINTS = 500
KEPT_WORST = 4


@dataclass
class Highlights:
    """Images of a run so far, of those with a finite PSNR.

    Attributes:
        points: Rate in bpp and PSNR in dB of every `stride`-th.
        worst: Rows of those with the lowest PSNR, lowest first.
        n_seen: How many there were.
        stride: 1 until there are more than twice `KEPT_POINTS`; doubles whenever there are again.
    """

    points: list[tuple[float, float]] = field(default_factory=list)
    worst: list[CatalogueRecord] = field(default_factory=list)
    n_seen: int = 0
    stride: int = 1

    def add(self, record: CatalogueRecord) -> None:
        """Take a row."""
        rate_bpp, psnr_db = record.rate_bpp, record.psnr_db
        if record.status != ARCHIVED or rate_bpp is None or psnr_db is None or not math.isfinite(psnr_db):
            return
        if self.n_seen % self.stride == 0:
            self.points.append((rate_bpp, psnr_db))
        self.n_seen += 1
        if len(self.points) > 2 * KEPT_POINTS:
            self.points, self.stride = self.points[::2], 2 * self.stride
        self.worst = sorted([*self.worst, record], key=_psnr_db)[:KEPT_WORST]


def _psnr_db(record: CatalogueRecord) -> float:
    return math.inf if record.psnr_db is None else record.psnr_db
