"""The sections of a page about codecs side by side, of one run or of several."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from benchmarks.frame import number, table
from benchmarks.rd.results import Codec, Combined, Comparison, FittedPoint, Measures, Prices, cost_of
from tasks.report.curves import BDRate, Point, bd_rate, rate_at

MEASURES = ("bpp", "PSNR, dB", "MS-SSIM", "FLIP", "encode, s", "decode, s")
QUALITIES_DB = (26.0, 28.0, 30.0)
EXPLAINED = (
    "- bpp is file bytes × 8 / pixels, PSNR that of the decoded file, 8 bits, all channels together; "
    "means are over images. FLIP: 0 for equal to 1, at 67 pixels per degree. A dash: not measured."
)


def bd_rates(combined: Combined) -> list[str]:
    """The BD-rates of each codec against each anchor."""
    header = ["codec"]
    for anchor in next(iter(combined.bd_rate.values())):
        header += [f"against {anchor}: mean of images", "mean curve", "over dB"]
    rows = [
        [name, *(cell for compared in rates.values() for cell in _compared_cells(compared))]
        for name, rates in combined.bd_rate.items()
    ]
    return ["", "## BD-rate (PCHIP)", *table(header, rows)]


def _compared_cells(compared: Comparison) -> list[str]:
    mean = compared.mean_curve
    over = f"{mean.low_db:.1f} to {mean.high_db:.1f}" if mean else "no common range"
    of_images = number(compared.mean_of_images, 1, " %")
    return [of_images, number(mean.pchip if mean else None, 1, " %"), over]


def bd_rates_by_image(combined: Combined, name: str, published: Mapping[str, Sequence[Point]]) -> list[str]:
    """The BD-rates of one codec on each image, and of its mean curve against published ones."""
    header = ("", "BD-rate (PCHIP)", "BD-rate (Akima)", "over dB", "of our range")
    rows = [
        _bd_row(f"{image}, against {anchor}", rate)
        for anchor, compared in combined.bd_rate[name].items()
        for image, rate in compared.by_image.items()
    ]
    for other, curve in published.items():
        rate = bd_rate(anchor=curve, test=combined.curves[name].mean)
        rows.append(_bd_row(f"mean curve, against published {other}", rate))
    note = "Published curves are means over the 24 Kodak images, whichever images were measured here."
    return ["", "## BD-rate by image", *table(header, rows), "", note]


def _bd_row(name: str, rate: BDRate | None) -> list[str]:
    if rate is None:
        return [name, "–", "–", "no common range", "–"]
    common = f"{rate.low_db:.2f} to {rate.high_db:.2f}"
    return [
        name,
        number(rate.pchip, 1, " %"),
        number(rate.akima, 1, " %"),
        common,
        f"{100 * rate.share:.0f} %",
    ]


def rates_needed(curves: Mapping[str, Sequence[Point]]) -> list[str]:
    """The rate that each curve needs for some PSNRs."""
    header = ("codec", *(f"for {db:g} dB" for db in QUALITIES_DB))
    rows = [[name, *(number(rate_at(curve, db), 4) for db in QUALITIES_DB)] for name, curve in curves.items()]
    return ["", "## bpp needed for a PSNR, on the mean curves", *table(header, rows)]


def costs(combined: Combined, prices: Prices) -> list[str]:
    """The cost of a thousand images, for codecs whose mean curves cover the PSNR at which it is compared."""
    header = (
        "codec",
        "bpp",
        *MEASURES[-2:],
        "core-hours",
        "encode, $",
        "MB",
        f"{prices.years:g} years stored, $",
    )
    rows = [
        [
            name,
            *(
                number(value, n)
                for value, n in zip(asdict(cost).values(), (4, 2, 3, 2, 3, 2, 4), strict=True)
            ),
        ]
        for name, cost in combined.cost.items()
        if cost
    ]
    return [
        "",
        f"## A thousand images of this size at {prices.psnr_db:g} dB",
        "",
        f"At {prices.core_hour_usd:g} $ per core-hour and {prices.gb_month_usd:g} $ per GB and month; "
        "rate and seconds are read between the points of the mean curve.",
        *table(header, rows),
    ]


def means(combined: Combined, codecs: Iterable[Codec]) -> list[str]:
    """The means of each codec at each setting."""
    rows = [
        [codec.name, f"{'λ ' if codec.is_ours else ''}{row.setting:g}", *_cells(row)]
        for codec in codecs
        for row in combined.mean[codec.name]
    ]
    return ["", "## Means over images", *table(("codec", "setting", *MEASURES), rows)]


def _cells(row: Measures) -> list[str]:
    """The cells of `MEASURES`; a dash for what was not measured."""
    quality = number(row.bpp, 4), number(row.psnr_db, 2), number(row.ms_ssim, 4), number(row.flip, 4)
    return [*quality, number(row.encode_seconds, 2), number(row.decode_seconds, 3)]


def files(points: Sequence[FittedPoint], combined: Combined) -> list[str]:
    """The files of this codec, and the difference in rate to what each anchor needs for that PSNR."""
    anchors = list(next(iter(combined.bd_rate.values())))
    header = ("image", "λ", "bytes", *MEASURES, "cost", "bytes / estimate", "side, bytes")
    rows = []
    for point in points:
        more = (
            number(cost_of(point), 3),
            number(8 * point.n_bytes / point.estimated_bits, 4),
            str(point.side_bytes),
        )
        needed = [rate_at(combined.curves[name].by_image[point.image], point.psnr_db) for name in anchors]
        saved = [number(bpp and 100 * (point.bpp / bpp - 1), 1, " %") for bpp in needed]
        rows.append([point.image, f"{point.setting:g}", str(point.n_bytes), *_cells(point), *more, *saved])
    return [
        "",
        "## Files",
        "",
        "cost: 1000 · (MSE + λ · bpp), pixels in [0, 1]; estimate: the fit's own; side: header, side "
        "information and CRC; against: the rate beside that of another codec at this PSNR.",
        *table((*header, *(f"against {name}" for name in anchors)), rows),
    ]
