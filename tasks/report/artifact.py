"""The summary of a run as its page in Prefect shows it: the totals of `tasks.report.summary`, and pictures.

Pictures are part of the page, as data, and the page is bounded.
"""

import math
from collections.abc import Iterator, Sequence

from tasks.report.markdown import (
    known_bad_facts,
    markdown_cell,
    markdown_list,
    markdown_table,
    run_facts,
    size_facts,
)
from tasks.report.pairs import Pair
from tasks.report.png import beside_original, data_uri, rd_plot
from tasks.report.summary import RunSummary, reason
from tasks.report.sweep import COLUMNS, SweepReport, point_cells
from tasks.wording import counted

MAX_FAILURES = 20
MAX_PAIRS = 4
MAX_PICTURE_BYTES = 1 << 19  # of all images that are shown


def run_page(summary: RunSummary, worst: Sequence[Pair]) -> str:
    """Facts, the first failures, rate against PSNR, and the images with the lowest PSNR, as they became.

    Args:
        summary: The run.
        worst: The images with the lowest PSNR, lowest first, of which the first `MAX_PAIRS` are shown.
    """
    report = markdown_list({"report": f"{summary.store}/reports/{summary.run_id}.html"})
    lines = [*run_facts(summary), *size_facts(summary), *report, *_failures(summary), *_plot(summary)]
    return _text([*lines, *_worst(worst[:MAX_PAIRS]), *known_bad_facts(summary)])


def sweep_page(report: SweepReport) -> str:
    """Facts, the curves, their points, and the first failures."""
    name = f"{report.summary.store}/reports/{report.summary.run_id}"
    lines = [*run_facts(report.summary), *markdown_list({"report": f"{name}.md, and .json"})]
    curves: dict[str, list[tuple[float, float]]] = {}
    for point in report.points:
        if math.isfinite(point.psnr_db):
            curves.setdefault(f"{point.model} {point.preset}", []).append((point.rate_bpp, point.psnr_db))
    if curves:
        lines += _picture("Rate against PSNR", rd_plot(curves, lines=True))
    if report.points:
        lines += markdown_table(COLUMNS, [point_cells(point) for point in report.points])
    return _text([*lines, *_failures(report.summary)])


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _picture(name: str, png: bytes) -> list[str]:
    return ["", f"![{markdown_cell(name)}]({data_uri(png)})", ""]


def _failures(summary: RunSummary) -> list[str]:
    if not summary.n_failed:
        return []
    failed = [outcome for outcome in summary.records() if reason(outcome)][:MAX_FAILURES]
    lines = [f"- {markdown_cell(outcome.path)}: {markdown_cell(reason(outcome))}" for outcome in failed]
    more = summary.n_failed - len(failed)
    return ["", "## Failed", "", *lines, *([f"- and {more} more"] if more else [])]


def _plot(summary: RunSummary) -> list[str]:
    points = summary.points.kept
    if not points:
        return []
    n_seen = summary.points.n_seen
    shown = counted(n_seen, "image")
    if len(points) < n_seen:
        shown = f"{len(points)} of {shown}"
    title = f"## Rate against PSNR of {shown}"
    return ["", title, *_picture("Rate against PSNR", rd_plot({summary.config: points}, lines=False))]


def _worst(worst: Sequence[Pair]) -> Iterator[str]:
    if not worst:
        return
    yield from (
        "## Lowest PSNR",
        "",
        "Original on the left, on the right what the stored bitstream decodes to.",
    )
    left = MAX_PICTURE_BYTES
    for pair in worst:
        psnr_db, rate_bpp = pair.image.verification.psnr_db, pair.image.stored.file.rate_bpp
        yield from ("", f"{markdown_cell(pair.image.path)}: {psnr_db:.2f} dB, {rate_bpp:.3f} bpp")
        if pair.original is None or pair.reconstruction is None:
            yield from ("", f"Not shown: {markdown_cell(pair.note)}")
            continue
        picture = beside_original(pair.original, pair.reconstruction)
        if len(picture) > left:
            yield from ("", "Not shown: the page is large enough.")
        else:
            left -= len(picture)
            yield from _picture(pair.image.path, picture)
