"""The statistics of a rate-distortion run: everything that is computed from the measured points."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.jpeg import better, better_mean
from tasks.curves import BDRate, Point, bd_rate, mean_curve, rate_at

Json = dict[str, Any]
Pairs = Iterable[tuple[float, float]]

QUALITIES_DB = (26.0, 28.0, 30.0)
AVERAGED = ("bpp", "psnr_db", "encode_seconds", "decode_seconds")


def summarise(points: Sequence[Json], jpegs: Mapping[str, Json], published: Mapping[str, Json]) -> Json:
    """The report as JSON, less where it comes from.

    Args:
        points: Results of the codec; the points of each image in the same order of λ.
        jpegs: By image, pairs (bits per pixel, dB) by subsampling.
        published: By name, curves as lists `bpp` and `psnr`; may be empty.
    """
    measured = {image: _named_curves(curves) for image, curves in jpegs.items()}
    references = _named_curves({name: zip(c["bpp"], c["psnr"], strict=True) for name, c in published.items()})
    anchors = {image: better(curves) for image, curves in measured.items()}
    mean_jpeg = better_mean(list(measured.values()))
    ours = {image: _points_of(points, image) for image in anchors} if points else {}
    mean_ours = mean_curve(list(ours.values())) if ours else []
    return {
        "n_images": len(anchors),
        "points": [{**point, "jpeg_bpp": _jpeg_rate(anchors, point)} for point in points],
        "mean": _mean_rows(points, mean_jpeg),
        **_bd_rates(ours, mean_ours, anchors, mean_jpeg),
        "bd_rate_published": {
            name: _as_json(bd_rate(anchor=curve, test=mean_ours)) for name, curve in references.items()
        },
        "bpp_needed": _needed({"ours": mean_ours, "JPEG (this run)": mean_jpeg, **references}),
        "jpeg_mean": [_pair(point) for point in mean_jpeg],
        "jpeg": {image: [_pair(point) for point in curve] for image, curve in anchors.items()},
    }


def _bd_rates(
    ours: Mapping[str, Sequence[Point]],
    mean_ours: Sequence[Point],
    anchors: Mapping[str, Sequence[Point]],
    mean_jpeg: Sequence[Point],
) -> Json:
    rates = {image: bd_rate(anchor=anchors[image], test=curve) for image, curve in ours.items()}
    defined = [rate.pchip for rate in rates.values() if rate]
    return {
        "bd_rate": {image: _as_json(rate) for image, rate in rates.items()},
        "bd_rate_mean_of_images": float(np.mean(defined)) if defined else None,
        "bd_rate_mean_curve": _as_json(bd_rate(anchor=mean_jpeg, test=mean_ours)),
    }


def _named_curves(curves: Mapping[str, Pairs]) -> dict[str, list[Point]]:
    return {name: [Point(bpp, psnr_db) for bpp, psnr_db in pairs] for name, pairs in curves.items()}


def _pair(point: Point) -> list[float]:
    return [round(point.bpp, 6), round(point.psnr_db, 4)]


def _points_of(points: Sequence[Json], image: str) -> list[Point]:
    return [Point(point["bpp"], point["psnr_db"]) for point in points if point["image"] == image]


def _jpeg_rate(anchors: Mapping[str, Sequence[Point]], point: Json) -> float | None:
    return rate_at(anchors[point["image"]], point["psnr_db"])


def _as_json(rate: BDRate | None) -> Json | None:
    return dataclasses.asdict(rate) if rate else None


def _mean_rows(points: Sequence[Json], mean_jpeg: Sequence[Point]) -> list[Json]:
    """One row per λ: the means over images, and what JPEG's mean curve needs for that PSNR."""
    rows = []
    for rd_lambda in sorted({point["rd_lambda"] for point in points}, reverse=True):
        same = [point for point in points if point["rd_lambda"] == rd_lambda]
        means = {name: float(np.mean([point[name] for point in same])) for name in AVERAGED}
        rows.append({"rd_lambda": rd_lambda, **means, "jpeg_bpp": rate_at(mean_jpeg, means["psnr_db"])})
    return rows


def _needed(curves: Mapping[str, Sequence[Point]]) -> list[Json]:
    """Rates that each mean curve needs at QUALITIES_DB, in bits per pixel; None outside of its range."""
    return [
        {"psnr_db": db, **{name: rate_at(curve, db) for name, curve in curves.items()}} for db in QUALITIES_DB
    ]
