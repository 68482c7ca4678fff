"""Rate-distortion curves: envelopes, means, interpolation and BD-rate.

A curve is a list of points, each of one file (or the mean of files): bits per pixel of the whole file
and PSNR in dB of what it decodes to. Interpolation is over the logarithm of the rate, as BD-rate has it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np


@dataclass(frozen=True, order=True)
class Point:
    """Rate in bits per pixel, quality in dB."""

    bpp: float
    psnr_db: float


@dataclass(frozen=True)
class BDRate:
    """Mean difference in rate at equal PSNR, in percent; below zero: smaller than the anchor.

    Attributes:
        pchip: BD-rate with piecewise cubic Hermite interpolation.
        akima: BD-rate with Akima interpolation, as a check; None where a curve has too few points for it.
        low_db: Start of the range of PSNR that both curves cover, over which the mean is taken.
        high_db: End of that range.
        share: Length of that range over that of the tested curve, 0 to 1.
    """

    pchip: float
    akima: float | None
    low_db: float
    high_db: float
    share: float


def pareto(points: Iterable[Point]) -> list[Point]:
    """Points that no other beats in both rate and PSNR, by rising rate and PSNR."""
    front: list[Point] = []
    for point in sorted(set(points), key=lambda point: (point.bpp, -point.psnr_db)):
        if not front or point.psnr_db > front[-1].psnr_db:
            front.append(point)
    return front


def envelope(*curves: Sequence[Point]) -> list[Point]:
    """The best of several curves at each rate: those of their points that lie below none of them."""
    fronts = [pareto(curve) for curve in curves]
    return pareto(point for point in chain(*fronts) if all(_reaches(point, front) for front in fronts))


def _reaches(point: Point, front: Sequence[Point]) -> bool:
    psnr_db = psnr_at(front, point.bpp)
    return psnr_db is None or point.psnr_db >= psnr_db - 1e-9


def mean_curve(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """The mean over images, point by point: curve i of every image was made with setting i.

    Raises:
        ValueError: The curves differ in length, or there are none.
    """
    return [
        Point(
            bpp=float(np.mean([point.bpp for point in points])),
            psnr_db=float(np.mean([point.psnr_db for point in points])),
        )
        for points in zip(*_non_empty(curves), strict=True)
    ]


def _non_empty(curves: Sequence[Sequence[Point]]) -> Sequence[Sequence[Point]]:
    if not curves:
        raise ValueError("expected at least one curve, found none")
    return curves


def psnr_at(curve: Sequence[Point], bpp: float) -> float | None:
    """PSNR in dB that the curve reaches with `bpp` bits per pixel; None outside of its range."""
    front = pareto(curve)
    if len(front) < 2 or not front[0].bpp <= bpp <= front[-1].bpp:
        return None
    psnr_db = _through([math.log(p.bpp) for p in front], [p.psnr_db for p in front])
    return float(psnr_db(math.log(bpp)))


def rate_at(curve: Sequence[Point], psnr_db: float) -> float | None:
    """Bits per pixel that the curve needs for `psnr_db`; None outside of its range."""
    front = pareto(curve)
    if len(front) < 2 or not front[0].psnr_db <= psnr_db <= front[-1].psnr_db:
        return None
    log_rate = _through([p.psnr_db for p in front], [math.log(p.bpp) for p in front])
    return float(np.exp(log_rate(psnr_db)))


def _through(positions: list[float], values: list[float]) -> Callable[[float], float]:
    """The piecewise cubic Hermite interpolation of values."""
    from scipy.interpolate import PchipInterpolator  # slow to import: a report of one curve does without

    found: Callable[[float], float] = PchipInterpolator(positions, values)
    return found


def bd_rate(*, anchor: Sequence[Point], test: Sequence[Point]) -> BDRate | None:
    """BD-rate of `test` against `anchor`, over the PSNRs that both cover.

    Points that another of the same curve beats in both rate and PSNR are left out.

    Returns:
        None where the curves share no range of PSNR or one has fewer than two points.
    """
    fronts = pareto(anchor), pareto(test)
    if min(map(len, fronts)) < 2:
        return None
    low_db = max(front[0].psnr_db for front in fronts)
    high_db = min(front[-1].psnr_db for front in fronts)
    if low_db >= high_db:
        return None
    tested = fronts[1][-1].psnr_db - fronts[1][0].psnr_db
    return BDRate(
        pchip=_bjontegaard(*fronts, method="pchip"),
        akima=_bjontegaard(*fronts, method="akima") if min(map(len, fronts)) > 2 else None,
        low_db=low_db,
        high_db=high_db,
        share=(high_db - low_db) / tested,
    )


def _bjontegaard(anchor: list[Point], test: list[Point], *, method: str) -> float:
    import bjontegaard  # slow to import, since Matplotlib comes with it

    value = bjontegaard.bd_rate(
        [point.bpp for point in anchor],
        [point.psnr_db for point in anchor],
        [point.bpp for point in test],
        [point.psnr_db for point in test],
        method=method,
        require_matching_points=False,
        min_overlap=0,
    )
    return float(value)
