"""The results of runs and queries, for people."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flows.cli.printing import line, table
from flows.engine.listening import duration
from tasks.originals.names import printable
from tasks.report.summary import COLUMNS, RunSummary, missed_target, reason, table_row
from tasks.wording import counted

if TYPE_CHECKING:
    from tasks.catalogue.query import Answer
    from tasks.plan.estimate import Estimate
    from tasks.report.sweep import SweepReport
    from tasks.steps.audit import AuditSummary
    from tasks.steps.compact import CompactSummary
    from tasks.steps.restore import RestoreSummary
    from tasks.store.promises import Promise
    from tasks.upkeep.prune import PruneSummary


SHOWN_DIGITS = 12  # of the digest of a setting


def show_run(summary: RunSummary) -> None:
    """Show the table of a run's images, failures first, and its totals."""
    records = summary.records()
    if records:
        rows = [tuple(table_row(record).values()) for record in records]
        left = ("image", "model", "verified")
        table(COLUMNS, rows, left=left, red=lambda n: bool(reason(records[n])))
    for record in records:
        if why := reason(record) or missed_target(record):
            line(f"{record.path}: {why}")
    for path, why in summary.known_bad:
        line(f"{path}: {why}")
    line(summary.headline())
    line(f"plan: {summary.plan}")
    if summary.n_archived:
        line(f"{summary.sizes()}; {summary.wall_seconds:.1f} s")


def show_estimate(found: "Estimate") -> None:
    """Show what an archive would take."""
    for path, why in (*found.refused, *found.known_bad):
        line(f"{path}: {why}")
    line(f"plan: {found.plan}")
    if found.n_refused:
        line(f"{counted(found.n_refused, 'file')} cannot be archived, by the headers alone")
    if not found.n_images:
        return
    is_small = found.n_pixels < 1e5  # which would be 0.0 megapixels
    pixels = counted(found.n_pixels, "pixel") if is_small else f"{found.n_pixels / 1e6:.1f} megapixels"
    line(f"{pixels} in {found.source_n_bytes} bytes")
    is_enough = found.n_too_short < found.n_images - found.n_refused or not found.n_too_short
    if found.hours is not None and is_enough:
        steps = f", fits of {found.n_steps} steps" if found.n_steps else ""
        line(f"about {duration(found.hours)} with {found.n_workers} at a time{steps}")
    if found.n_bytes is not None and found.psnr_db is not None and is_enough:
        line(f"about {found.n_bytes} bytes, and {found.psnr_db:.1f} dB in the mean")
    if found.needed is not None:
        line(
            f"the time is too short for a fit of {found.n_too_short} of them; enough would be {found.needed}"
        )
    line(f"by {found.origin}")


def show_restored(summary: "RestoreSummary") -> None:
    """Show what a run of ``restore`` did."""
    for name, place in summary.renamed:
        line(f"{name}: restored as {place}")
    for path, why in summary.failures:
        line(f"{path}: {why}")
    line(summary.headline())
    if summary.n_done:
        line(f"{summary.n_bytes} bytes in {summary.target}, {summary.wall_seconds:.1f} s")


def show_audit(summary: "AuditSummary") -> None:
    """Show what a run of ``verify`` found."""
    for finding in summary.findings:
        line(finding.describe())
    line(f"{summary.headline()}; {summary.wall_seconds:.1f} s")


def show_compacted(summary: "CompactSummary") -> None:
    """Show what a run of ``compact`` did."""
    for day, why in summary.failures:
        line(f"{day}: {why}")
    line(summary.headline())


def show_pruned(summary: "PruneSummary") -> None:
    """Show the settings of an archive, and what is to remove or was."""
    columns = ("setting", "version", "how", "archived", "failed", "bytes", "last")
    rows = [
        (
            *(setting.archive_digest[:SHOWN_DIGITS], setting.encoder_version, setting.how),
            *map(str, (setting.n_archived, setting.n_failed, setting.n_bytes)),
            f"{setting.last_at:%Y-%m-%d}",
        )
        for setting in summary.settings
    ]
    table(columns, rows, left=("setting", "version", "how", "last"))
    for kind, count in summary.counts.items():
        line(f"{kind}: {count}")
    line(summary.headline())


def show_sweep(report: "SweepReport") -> None:
    """Show the RD curve that a run of ``sweep`` measured."""
    from tasks.report import sweep  # brings pyarrow, which no other display needs

    table(sweep.COLUMNS, [sweep.point_cells(point) for point in report.points])
    for record in report.summary.records():
        if why := reason(record):
            line(f"{record.path} at λ {record.origin.setting.goal_value:g}: {why}")
    line(report.headline())
    line(f"report: {report.summary.store}/reports/{report.summary.run_id}.md, and .json")


def show_answer(answer: "Answer") -> None:
    """Show the rows of a query."""
    columns = zip(*answer.rows, strict=True) if answer.rows else [()] * len(answer.columns)
    texts = [name for name, cells in zip(answer.columns, columns, strict=True) if not _are_numbers(cells)]
    table(answer.columns, [tuple(map(_shown, row)) for row in answer.rows], left=texts)


def _are_numbers(cells: Iterable[Any]) -> bool:
    return all(isinstance(cell, int | float | None) for cell in cells)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))


def show_places(places: dict[str, str]) -> None:
    """Show where to look next, one line each."""
    for name, place in places.items():
        line(f"{name}: {place}")


def show_promises(url: str, found: Sequence["Promise"]) -> None:
    """Show which promises a store keeps."""
    for promise in found:
        state = "ok" if promise.is_kept else "NOT SO" if promise.is_tried else "not tried"
        line(f"{state}: {promise.text}{f'; found: {promise.problem}' if promise.problem else ''}")
    n_kept = sum(promise.is_kept for promise in found)
    line(f"{url}: {n_kept} of {len(found)} promises kept")
