"""Measured files, and what is computed from those of several codecs: means, BD-rates and costs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rd.codecs import JPEGS
from tasks.report.curves import BDRate, Point, bd_rate, envelope, mean_curve, rate_at

JPEG = "JPEG, better subsampling"
ANCHORS = (JPEG, "AVIF 4:4:4")
PUBLISHED = Path(__file__).parent.parent / "published.json"  # curves of others, each with its source


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The measures of a file, or their means over the files of several images.

    Attributes:
        setting: λ of this codec, the setting of quality of another.
        bpp: File bytes × 8 / pixels.
        psnr_db: PSNR of the decoded file, 8 bits, all channels together.
        ms_ssim: See `tasks.report.quality`; None where it was not measured.
        flip: See `tasks.report.quality`; None where it was not measured.
        encode_seconds: Wall time, imports aside.
        decode_seconds: Wall time, imports aside.
    """

    setting: float
    bpp: float
    psnr_db: float
    ms_ssim: float | None = None
    flip: float | None = None
    encode_seconds: float
    decode_seconds: float


@dataclass(frozen=True, kw_only=True)
class FilePoint(Measures):
    """One file: the stem of the original's name, the bytes of the file, and its measures."""

    image: str
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class FittedPoint(FilePoint):
    """One file of this codec.

    Attributes:
        estimated_bits: The fit's own estimate of the file.
        side_bytes: Bytes of all but the payload: header, side information, lengths of sections, CRC.
        n_parameters: See `inr.Encoded`.
        device: The device that fitted.
    """

    estimated_bits: float
    side_bytes: int
    n_parameters: int
    device: str


def cost_of(point: FilePoint) -> float:
    """1000 · (MSE + λ · bpp) of a file of this codec, pixels in [0, 1]."""
    return 1000 * (10 ** (-point.psnr_db / 10) + point.setting * point.bpp)


@dataclass(frozen=True)
class Codec:
    """A codec on a set of images: its points, those of every image in one order of settings.

    Attributes:
        name: Its name.
        points: Its files.
        is_ours: True if it is this codec, and not a classical one.
        n_threads: Threads of its encoder.
    """

    name: str
    points: Sequence[FilePoint]
    is_ours: bool
    n_threads: int = 1


@dataclass(frozen=True)
class Curves:
    """The curve of each image, and their mean."""

    by_image: Mapping[str, Sequence[Point]]
    mean: Sequence[Point]


@dataclass(frozen=True)
class Comparison:
    """BD-rates of one codec against another.

    Attributes:
        by_image: BD-rate of each image; None where the curves share no range.
        mean_of_images: Mean over images, in percent; None unless every image has one.
        mean_curve: BD-rate of the mean curves; None where they share no range.
    """

    by_image: dict[str, BDRate | None]
    mean_of_images: float | None
    mean_curve: BDRate | None


@dataclass(frozen=True)
class Prices:
    """Prices in dollars, and the PSNR in dB at which costs are compared.

    Attributes:
        core_hour_usd: Price of an hour of a virtual core, on demand, of large clouds in 2026.
        gb_month_usd: Price of a month of object storage per GB, of the same.
        years: Time for which files are stored.
        psnr_db: PSNR at which costs are compared; all codecs but `mlp` cover it on the seven images.
    """

    core_hour_usd: float = 0.04
    gb_month_usd: float = 0.023
    years: float = 10.0
    psnr_db: float = 30.5


@dataclass(frozen=True)
class Cost:
    """The cost of a thousand images at one PSNR, between points of the mean curve."""

    bpp: float
    encode_seconds: float
    decode_seconds: float
    core_hours: float
    encode_usd: float
    megabytes: float
    storage_usd: float


@dataclass(frozen=True)
class Combined:
    """Codecs beside each other, by name: curves, BD-rates against each of `ANCHORS`, means and costs."""

    curves: dict[str, Curves]
    bd_rate: dict[str, dict[str, Comparison]]
    mean: dict[str, list[Measures]]
    cost: dict[str, Cost | None]


def combine(codecs: Sequence[Codec], prices: Prices) -> Combined:
    """Compute curves, BD-rates, means and costs of codecs on the same images, among them both `JPEGS`."""
    curves = {codec.name: _curves(codec.points) for codec in codecs}
    curves[JPEG] = _better([curves[name] for name in JPEGS])
    anchors = {name: curves[name] for name in ANCHORS if name in curves}
    return Combined(
        curves=curves,
        bd_rate={
            name: {of: _compare(anchor=anchor, test=test) for of, anchor in anchors.items()}
            for name, test in curves.items()
        },
        mean={codec.name: means(codec.points) for codec in codecs},
        cost={codec.name: _cost(codec, prices) for codec in codecs},
    )


def means(points: Sequence[FilePoint]) -> list[Measures]:
    """The means over images, one for each setting, by rising rate."""
    names = [field.name for field in fields(Measures) if field.name != "setting"]
    by_setting: dict[float, list[FilePoint]] = {}
    for point in points:
        by_setting.setdefault(point.setting, []).append(point)
    rows = [
        Measures(setting=setting, **{name: _mean([getattr(point, name) for point in same]) for name in names})
        for setting, same in by_setting.items()
    ]
    return sorted(rows, key=lambda row: row.bpp)


def _mean(values: Sequence[float | None]) -> Any:
    """The mean, or None unless there are values and all of them were measured."""
    measured = [value for value in values if value is not None]
    return float(np.mean(measured)) if measured and len(measured) == len(values) else None


def _curves(points: Iterable[FilePoint]) -> Curves:
    curves: dict[str, list[Point]] = {}
    for point in points:
        curves.setdefault(point.image, []).append(Point(point.bpp, point.psnr_db))
    return Curves(curves, mean_curve(list(curves.values())))


def _better(several: Sequence[Curves]) -> Curves:
    """The better of several codecs at each rate."""
    images = several[0].by_image
    by_image = {image: envelope(*(curves.by_image[image] for curves in several)) for image in images}
    return Curves(by_image, envelope(*(curves.mean for curves in several)))


def _compare(*, anchor: Curves, test: Curves) -> Comparison:
    rates = {image: bd_rate(anchor=anchor.by_image[image], test=c) for image, c in test.by_image.items()}
    mean = _mean([rate.pchip if rate else None for rate in rates.values()])
    return Comparison(rates, mean, bd_rate(anchor=anchor.mean, test=test.mean))


def _cost(codec: Codec, prices: Prices) -> Cost | None:
    """The cost at the PSNR of `prices`; None where the mean curve does not cover it."""
    rows = means(codec.points)
    rate = rate_at([Point(row.bpp, row.psnr_db) for row in rows], prices.psnr_db)
    if rate is None:
        return None

    def between(values: Sequence[float]) -> float:
        return float(np.interp(prices.psnr_db, [row.psnr_db for row in rows], values))

    encode_seconds = between([row.encode_seconds for row in rows])
    core_hours = encode_seconds * codec.n_threads * 1000 / 3600
    n_pixels = _mean([8 * point.n_bytes / point.bpp for point in codec.points])
    n_bytes = 1000 * rate * n_pixels / 8
    return Cost(
        bpp=rate,
        encode_seconds=encode_seconds,
        decode_seconds=between([row.decode_seconds for row in rows]),
        core_hours=core_hours,
        encode_usd=core_hours * prices.core_hour_usd,
        megabytes=n_bytes / 1e6,
        storage_usd=n_bytes / 1e9 * prices.gb_month_usd * 12 * prices.years,
    )


def read_published(path: Path, names: Sequence[str]) -> dict[str, Sequence[Point]]:
    """Published curves by name, from lists `bpp` and `psnr`."""
    curves = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [Point(*pair) for pair in zip(curves[name]["bpp"], curves[name]["psnr"], strict=True)]
        for name in names
    }
