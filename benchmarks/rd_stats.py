"""The statistics of a rate-distortion run: everything that is computed from the measured points."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.baselines import JPEGS
from tasks.report.curves import BDRate, Point, bd_rate, envelope, mean_curve, rate_at

Json = dict[str, Any]
Pairs = Iterable[tuple[float, float]]

QUALITIES_DB = (26.0, 28.0, 30.0)
AVERAGED = ("bpp", "psnr_db", "ms_ssim", "flip", "encode_seconds", "decode_seconds")


def summarise(
    points: Sequence[Json], baselines: Mapping[str, Sequence[Json]], published: Mapping[str, Json]
) -> Json:
    """The report as JSON, less where it comes from.

    Args:
        points: Results of the codec; the points of each image in the same order of λ.
        baselines: By name, results of each baseline, likewise; the two of `JPEGS` among them.
        published: By name, curves as lists `bpp` and `psnr`; may be empty.
    """
    references = _named_curves({name: zip(c["bpp"], c["psnr"], strict=True) for name, c in published.items()})
    anchors = anchor_curves(baselines)
    mean_jpeg = anchor_mean(baselines)
    ours = curves_by_image(points)
    mean_ours = mean_curve(list(ours.values())) if ours else []
    return {
        "n_images": len(anchors),
        "points": [{**point, "jpeg_bpp": _jpeg_rate(anchors, point)} for point in points],
        "mean": _mean_rows(points, mean_jpeg),
        **_bd_rates(ours, mean_ours, anchors, mean_jpeg),
        "bd_rate_published": {
            name: as_json(bd_rate(anchor=curve, test=mean_ours)) for name, curve in references.items()
        },
        "bpp_needed": _needed({"ours": mean_ours, "JPEG (this run)": mean_jpeg, **references}),
        "jpeg_mean": [_pair(point) for point in mean_jpeg],
        "jpeg": {image: [_pair(point) for point in curve] for image, curve in anchors.items()},
        "baselines": {name: list(of_one) for name, of_one in baselines.items()},
    }


def curves_by_image(points: Sequence[Json]) -> dict[str, list[Point]]:
    """The curve of each image, in the order of `points`."""
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point["image"], []).append(Point(point["bpp"], point["psnr_db"]))
    return curves


def anchor_curves(baselines: Mapping[str, Sequence[Json]]) -> dict[str, list[Point]]:
    """JPEG as people have it, by image: the better subsampling at each rate."""
    curves = [curves_by_image(baselines[name]) for name in JPEGS]
    return {image: envelope(*(of_one[image] for of_one in curves)) for image in curves[0]}


def anchor_mean(baselines: Mapping[str, Sequence[Json]]) -> list[Point]:
    """The mean over images of each subsampling, and the better mean at each rate."""
    return envelope(*(mean_curve(list(curves_by_image(baselines[name]).values())) for name in JPEGS))


def _bd_rates(
    ours: Mapping[str, Sequence[Point]],
    mean_ours: Sequence[Point],
    anchors: Mapping[str, Sequence[Point]],
    mean_jpeg: Sequence[Point],
) -> Json:
    rates = {image: bd_rate(anchor=anchors[image], test=curve) for image, curve in ours.items()}
    defined = [rate.pchip for rate in rates.values() if rate]
    return {
        "bd_rate": {image: as_json(rate) for image, rate in rates.items()},
        "bd_rate_mean_of_images": float(np.mean(defined)) if defined else None,
        "bd_rate_mean_curve": as_json(bd_rate(anchor=mean_jpeg, test=mean_ours)),
    }


def _named_curves(curves: Mapping[str, Pairs]) -> dict[str, list[Point]]:
    return {name: [Point(bpp, psnr_db) for bpp, psnr_db in pairs] for name, pairs in curves.items()}


def _pair(point: Point) -> list[float]:
    return [round(point.bpp, 6), round(point.psnr_db, 4)]


def _jpeg_rate(anchors: Mapping[str, Sequence[Point]], point: Json) -> float | None:
    return rate_at(anchors[point["image"]], point["psnr_db"])


def as_json(rate: BDRate | None) -> Json | None:
    """A BD-rate as JSON; None where there is none."""
    return dataclasses.asdict(rate) if rate else None


def mean_points(points: Sequence[Json]) -> list[Json]:
    """The means over images, a row for each λ or setting, by rising rate; None for what was not measured."""
    name = "rd_lambda" if points and "rd_lambda" in points[0] else "setting"
    rows = []
    for value in {point[name] for point in points}:
        same = [point for point in points if point[name] == value]
        rows.append({name: value, **{measure: _mean(same, measure) for measure in AVERAGED}})
    return sorted(rows, key=lambda row: row["bpp"])


def _mean(points: Sequence[Json], measure: str) -> float | None:
    values = [point[measure] for point in points if point.get(measure) is not None]
    return float(np.mean(values)) if len(values) == len(points) else None


def _mean_rows(points: Sequence[Json], mean_jpeg: Sequence[Point]) -> list[Json]:
    """The means of the codec, and what JPEG's mean curve needs for that PSNR."""
    return [{**row, "jpeg_bpp": rate_at(mean_jpeg, row["psnr_db"])} for row in mean_points(points)]


def _needed(curves: Mapping[str, Sequence[Point]]) -> list[Json]:
    """Rates that each mean curve needs at QUALITIES_DB, in bits per pixel; None outside of its range."""
    return [
        {"psnr_db": db, **{name: rate_at(curve, db) for name, curve in curves.items()}} for db in QUALITIES_DB
    ]
