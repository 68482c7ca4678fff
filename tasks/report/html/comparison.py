"""The settings of an archive that can be compared, and their rate-distortion curves with BD-rates.

A sweep is not marked as such in the catalogue, and a later one adds to it. What is compared is read
from the rows: of the sets of settings under which an image is archived, the one that gives the most
pairs of files of one image to compare.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from inr.config import MODELS
from tasks.catalogue.columns import Row
from tasks.catalogue.query import Tables
from tasks.catalogue.records import LOSSLESS, Status
from tasks.report import curves
from tasks.report.curves import BDRate
from tasks.report.sweep import RdPoint, rd_point

ANCHOR_MODEL = MODELS[0]  # the family that the others are compared with, where an archive has it
MAX_IMAGES = 1000
MAX_SETS = 200

_COMPARABLE = f"""
select * from picked where status = '{Status.ARCHIVED}' and model <> '{LOSSLESS}' and goal = 'rd_lambda'
    and min_psnr_db is null and isfinite(psnr_db) and rate_bpp > 0 and image_digest is not null
"""
_SETS = f"""
with each as (
    select list(distinct archive_digest order by archive_digest) as settings
    from ({_COMPARABLE}) group by image_digest
)
select settings, count(*) as n from each where len(settings) > 1
group by 1 order by n desc, settings limit {MAX_SETS}
"""
_ROWS = f"""
with chosen as (select * from ({_COMPARABLE}) where list_contains(?::varchar[], archive_digest))
select * from chosen where image_digest in (
    select image_digest from chosen group by 1 having count(distinct archive_digest) = ?
    order by 1 limit {MAX_IMAGES}
) order by image_digest, archive_digest
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
    """The curves of the rows that `facts.pick` has kept; None where no image has two settings.

    The anchor is the first curve of `ANCHOR_MODEL`; without one, the first by name.

    Raises:
        CatalogueError: A part is damaged.
    """
    settings = _settings(Counter({frozenset(names): n for names, n in tables.ask(_SETS).rows}))
    if not settings:
        return None
    rows = tables.ask(_ROWS, (sorted(settings), len(settings))).records()
    families: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        families.setdefault((row["model"], row["preset"]), []).append(row)
    ordered = sorted(families, key=lambda name: (name[0] != ANCHOR_MODEL, name))
    drawn = tuple(Curve(*name, _points(families[name])) for name in ordered)
    anchor, *others = zip(drawn, (families[name] for name in ordered), strict=True)
    differences = tuple(_difference(*anchor, *other) for other in others)
    return ComparedCurves(len({row["image_digest"] for row in rows}), drawn, differences)


def _settings(sets: Counter[frozenset[str]]) -> frozenset[str]:
    """The set of settings with the most pairs of files to compare, over the images that have all of them."""

    def n_pairs(chosen: frozenset[str]) -> int:
        n_images = sum(n for names, n in sets.items() if chosen <= names)
        return n_images * len(chosen) * (len(chosen) - 1)

    return max(sets, key=lambda chosen: (n_pairs(chosen), sorted(chosen)), default=frozenset())


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
