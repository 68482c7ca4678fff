"""Rate-distortion curves of the settings that are compared, with BD-rates.

`tasks.report.html.common` chooses these settings, and the images that all of them have.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from inr.config import MODELS
from tasks.catalogue.columns import Row
from tasks.catalogue.query import Tables
from tasks.report import curves
from tasks.report.curves import BDRate
from tasks.report.sweep import RdPoint, rd_point

ANCHOR_MODEL = MODELS[0]  # the family that the others are compared with, where an archive has it

_ROWS = """
select picked.* from picked join measured using (image_digest, archive_digest)
where is_compared and goal = 'rd_lambda' and min_psnr_db is null
order by image_digest, archive_digest
"""


@dataclass(frozen=True)
class Curve:
    """The points of one model and preset, by rising rate."""

    model: str
    preset: str
    points: tuple[RdPoint, ...]

    def __str__(self) -> str:
        return f"{self.model} {self.preset}"


@dataclass(frozen=True)
class Difference:
    """BD-rate of a curve against another one.

    Attributes:
        anchor: The curve that is compared with.
        test: The curve that is compared.
        mean_curve: BD-rate of the mean curves, with its range of PSNR; None where they share none.
        images: BD-rates of each image's own curves, in percent, where those share a range of PSNR.
    """

    anchor: Curve
    test: Curve
    mean_curve: BDRate | None
    images: tuple[float, ...]

    @property
    def mean_of_images(self) -> float | None:
        """The mean over images, in percent."""
        return fmean(self.images) if self.images else None


@dataclass(frozen=True)
class ComparedCurves:
    """Curves over the same images; each of `differences` is against the first of `curves`."""

    n_images: int
    curves: tuple[Curve, ...]
    differences: tuple[Difference, ...]


def compare_curves(tables: Tables) -> ComparedCurves | None:
    """The curves of the rows that `facts.pick` has kept; None where no two λ are compared.

    The anchor is the first curve of `ANCHOR_MODEL`; without one, the first by name.

    Raises:
        CatalogueError: A part is damaged.
    """
    rows = tables.ask(_ROWS).records()
    if len({row["archive_digest"] for row in rows}) < 2:
        return None
    families: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        families.setdefault((row["model"], row["preset"]), []).append(row)
    ordered = sorted(families, key=lambda name: (name[0] != ANCHOR_MODEL, name))
    drawn = tuple(Curve(*name, _points(families[name])) for name in ordered)
    anchor, *others = zip(drawn, (families[name] for name in ordered), strict=True)
    differences = tuple(_difference(*anchor, *other) for other in others)
    return ComparedCurves(len({row["image_digest"] for row in rows}), drawn, differences)


def _points(rows: Sequence[Row]) -> tuple[RdPoint, ...]:
    settings: dict[str, list[Row]] = {}
    for row in rows:
        settings.setdefault(row["archive_digest"], []).append(row)
    return tuple(sorted(map(rd_point, settings.values()), key=lambda point: point.rate_bpp))


def _difference(
    anchor: Curve, anchor_rows: Sequence[Row], test: Curve, test_rows: Sequence[Row]
) -> Difference:
    anchors, tests = _curves_of_images(anchor_rows), _curves_of_images(test_rows)
    found = [curves.bd_rate(anchor=anchors[image], test=tests[image]) for image in anchors.keys() & tests]
    return Difference(
        anchor,
        test,
        curves.bd_rate(anchor=_mean_curve(anchor), test=_mean_curve(test)),
        tuple(sorted(each.pchip for each in found if each is not None)),
    )


def _mean_curve(curve: Curve) -> list[curves.Point]:
    return [curves.Point(point.rate_bpp, point.psnr_db) for point in curve.points]


def _curves_of_images(rows: Sequence[Row]) -> dict[str, list[curves.Point]]:
    found: dict[str, list[curves.Point]] = {}
    for row in rows:
        found.setdefault(row["image_digest"], []).append(curves.Point(row["rate_bpp"], row["psnr_db"]))
    return found
