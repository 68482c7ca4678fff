"""What people and programs see: tables, one-paragraph results, JSON, and progress bars on a terminal."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tasks.originals.listing import printable
from tasks.report.summary import COLUMNS, RunSummary, reason, table_row

if TYPE_CHECKING:
    from tasks.catalogue.query import Answer
    from tasks.plan.estimate import Estimate
    from tasks.report.sweep import SweepReport
    from tasks.steps.audit import AuditSummary
    from tasks.steps.compact import CompactSummary
    from tasks.steps.restore import RestoreSummary

WIDTH_OF_A_PIPE = 160
NO_FLIP = "needs flip-evaluator: pip install '.[perceptual]'"


def _width(is_terminal: bool) -> int | None:
    """The width for Rich: its own measure of a terminal, and room enough in a pipe."""
    return None if is_terminal or "COLUMNS" in os.environ else WIDTH_OF_A_PIPE


out = Console(highlight=False, soft_wrap=True, width=_width(sys.stdout.isatty()))
err = Console(stderr=True, highlight=False)


@contextmanager
def fit_bar(wanted: bool) -> Iterator[Callable[[Any], None] | None]:
    """Show a bar for one fit, on standard error if that is a terminal; yields the function that moves it."""
    if not (wanted and err.is_terminal):
        yield None
        return
    with _bars() as bars:
        bar = bars.add_task("fit", total=None)

        def report(progress: Any) -> None:
            state = f"λ {progress.rd_lambda:.4g}  {progress.estimated_bpp:.3f} bpp  {progress.psnr_db:.2f} dB"
            bars.update(bar, total=progress.n_steps, completed=progress.step, description=f"fit {state}")

        yield report


@contextmanager
def run_bar(wanted: bool) -> Iterator[Callable[[Any], None]]:
    """Show a bar for a run, on standard error if that is a terminal; yields the listener that moves it."""
    if not (wanted and err.is_terminal):
        yield lambda summary: None
        return
    with _bars() as bars:
        bar = bars.add_task("starting Prefect", total=None)

        def report(summary: Any) -> None:
            failed = f", {summary.n_failed} failed" if summary.n_failed else ""
            state = f"{summary.n_done} of {summary.n_planned} images{failed}"
            bars.update(bar, total=summary.n_planned, completed=summary.n_done, description=state)

        yield report


def show_json(values: dict[str, Any]) -> None:
    """Print values as one JSON object, which is all that ``--json`` prints."""
    print(json.dumps(finite(values), indent=2, allow_nan=False, default=str))


def finite(value: Any) -> Any:
    """A copy of a value with None for infinities and NaN, which JSON does not have, and lists for tuples."""
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def show_encoded(made: dict[str, Any]) -> None:
    """Show the result of an encoding."""
    _line(f"{made['image']} → {made['output']}")
    _line(
        f"{made['n_bytes']} bytes, {made['rate_bpp']:.4f} bpp, {made['psnr_db']:.2f} dB, "
        f"λ {made['rd_lambda']:.4g}, {made['encode_seconds']:.1f} s on {made['device']}"
    )
    unit = {"target_psnr_db": "dB", "target_bpp": "bpp"}.get(made["goal"])
    if unit:
        off = made["goal_reached"] - made["goal_value"]
        fits = len(made["attempts"])
        _line(
            f"target {made['goal_value']:g} {unit}: reached {made['goal_reached']:.4g} {unit} "
            f"({off:+.3g}) in {fits} {'fit' if fits == 1 else 'fits'}"
        )
    for note in made["notes"]:
        _line(f"note: {note}")


def show_decoded(made: dict[str, Any]) -> None:
    """Show the result of a decoding."""
    size = f"{made['width']}x{made['height']}x{made['channels']}"
    _line(f"{made['bitstream']} → {made['output']}")
    _line(f"{size}, ICC profile {made['icc_n_bytes']} bytes, EXIF {made['exif_n_bytes']} bytes")


def show_inspection(found: dict[str, Any]) -> None:
    """Show where the bits of a bitstream go."""
    architecture = ", ".join(f"{name} {value}" for name, value in found["architecture"].items())
    _line(
        f"{found['bitstream']}: format {found['format_version']}, "
        f"{found['width']}x{found['height']}x{found['channels']}, {found['n_bytes']} bytes, "
        f"{found['rate_bpp']:.4f} bpp"
    )
    _line(f"model {found['model']} ({architecture}): {found['n_parameters']} parameters")
    _line(f"{found['multiply_adds_per_pixel']} multiply-adds per pixel")
    sections = _table("section", "bytes", "bits", "share")
    for section in found["sections"]:
        share = section["n_bytes"] / found["n_bytes"]
        sections.add_row(
            section["name"], str(section["n_bytes"]), str(8 * section["n_bytes"]), f"{share:.1%}"
        )
    out.print(sections)
    tensors = _table("tensor", "shape", "step", "symbols", "zero", "bits", "bits/symbol")
    for tensor in found["tensors"]:
        each = tensor["bits"] / tensor["n_symbols"] if tensor["n_symbols"] else 0.0
        shape = "x".join(str(n) for n in tensor["shape"])
        counts = (str(tensor["n_symbols"]), str(tensor["n_zero"]))
        tensors.add_row(
            tensor["name"], shape, f"{tensor['step']:.4g}", *counts, f"{tensor['bits']:.0f}", f"{each:.2f}"
        )
    out.print(tensors)


def show_compared(made: dict[str, Any]) -> None:
    """Show how close two files are."""
    for side in (made["first"], made["second"]):
        _line(f"{side['path']}: {side['n_bytes']} bytes, {side['rate_bpp']:.4f} bpp")
    _line(f"PSNR {made['psnr_db']:.2f} dB, largest difference {made['max_difference']} of 255")
    _line(f"MS-SSIM {_measured(made['ms_ssim'], 'is not for images under 161 pixels a side')}")
    _line(f"FLIP {_measured(made['flip'], NO_FLIP)}")
    if made["output"]:
        _line(f"picture: {made['output']}")


def _measured(value: float | None, why_not: str) -> str:
    return why_not if value is None else f"{value:.4f}"


def show_run(summary: RunSummary) -> None:
    """Show the table of a run's images, failures first, and its totals."""
    records = summary.records()
    if records:
        table = _table(*COLUMNS, left=("image", "model", "verified"))
        for record in records:
            style = "red" if reason(record) else ""
            table.add_row(*(Text(value) for value in table_row(record).values()), style=style)
        out.print(table)
    for record in records:
        if why := reason(record):
            _line(f"{record.path}: {why}")
    _line(summary.headline())
    _line(f"plan: {summary.plan}")
    if summary.n_archived:
        _line(
            f"{summary.source_n_bytes} bytes of originals became {summary.n_bytes}: "
            f"{summary.rate_bpp:.3f} bpp, "
            f"mean PSNR {summary.mean_psnr_db:.2f} dB, {summary.wall_seconds:.1f} s"
        )


def show_estimate(found: "Estimate") -> None:
    """Show what an archive would take."""
    _line(f"plan: {found.plan}")
    if found.n_refused:
        _line(f"{found.n_refused} of them cannot be archived, by their headers alone")
    _line(f"{found.n_pixels / 1e6:.1f} megapixels in {found.source_n_bytes} bytes")
    if found.hours is not None and found.n_bytes is not None:
        time, at_a_time = duration(found.hours), f"{found.n_workers} at a time"
        _line(f"about {time} with {at_a_time}, and {found.n_bytes} bytes")
    _line(f"by {found.origin}")


def duration(hours: float) -> str:
    """A length of time for people, in seconds, minutes or hours."""
    for unit, limit in ((3600.0, "s"), (60.0, "min")):
        if hours * unit < 120:
            return f"{hours * unit:.0f} {limit}"
    return f"{hours:.1f} h"


def show_restored(summary: "RestoreSummary") -> None:
    """Show what a run of ``restore`` did."""
    for path, why in summary.failures:
        _line(f"{path}: {why}")
    _line(summary.headline())
    if summary.n_done:
        _line(f"{summary.n_bytes} bytes in {summary.target}, {summary.wall_seconds:.1f} s")


def show_audit(summary: "AuditSummary") -> None:
    """Show what a run of ``verify`` found."""
    for row in summary.findings:
        _line(f"{row.status}: {row.error_message or row.key}")
    _line(f"{summary.headline()}; {summary.wall_seconds:.1f} s")


def show_compacted(summary: "CompactSummary") -> None:
    """Show what a run of ``compact`` did."""
    for day, why in summary.failures:
        _line(f"{day}: {why}")
    _line(summary.headline())


def show_sweep(report: "SweepReport") -> None:
    """Show the RD curve that a run of ``sweep`` measured."""
    from tasks.report import sweep  # brings pyarrow, which no other display needs

    table = _table(*sweep.COLUMNS)
    for point in report.points:
        table.add_row(*sweep.point_cells(point))
    out.print(table)
    for record in report.summary.records():
        if why := reason(record):
            _line(f"{record.path} at λ {record.origin.setting.goal_value:g}: {why}")
    _line(report.headline())
    _line(f"report: {report.summary.store}/reports/{report.summary.run_id}.md, and .json")


def show_answer(answer: "Answer") -> None:
    """Show the rows of a query."""
    columns = zip(*answer.rows, strict=True) if answer.rows else [()] * len(answer.columns)
    texts = [name for name, cells in zip(answer.columns, columns, strict=True) if not _are_numbers(cells)]
    table = _table(*answer.columns, left=tuple(texts))
    for row in answer.rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    out.print(table)


def _are_numbers(cells: Iterable[Any]) -> bool:
    return all(isinstance(cell, int | float | None) for cell in cells)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def show_places(places: dict[str, str]) -> None:
    """Show where to look next, one line each."""
    for name, place in places.items():
        _line(f"{name}: {place}")


def show_report(made: dict[str, Any]) -> None:
    """Show what is in the report of an archive."""
    failed = f", {made['n_failed']} failures" if made["n_failed"] else ""
    counts = f"{made['n_archived']} bitstreams of {made['n_images']} images{failed}"
    _line(f"{made['output']}: {counts}, {made['n_pictures']} shown; {made['n_bytes']} bytes")


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, transient=True)


def _line(text: str) -> None:
    out.print(Text(text))


def _table(*columns: str, left: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False)
    for n, name in enumerate(columns):
        table.add_column(name, justify="left" if n == 0 or name in left else "right", overflow="fold")
    return table
