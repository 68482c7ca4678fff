"""What a run tells people: running totals, the table of images, and a summary in Markdown.

A summary keeps totals, and at most `KEPT_ROWS` rows of each status: a report is for reading, and
the memory of a run must not grow with it. The catalogue has every row.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from tasks.catalogue.records import LOSSLESS, Archived, Outcome, Status, Stored
from tasks.catalogue.rows import row_of
from tasks.report.points import ThinnedPoints
from tasks.store.objects import ObjectStore

KEPT_ROWS = 500
COLUMNS = ("image", "size", "model", "λ", "bpp", "PSNR", "seconds", "verified")


@dataclass
class RunSummary:
    """What a run did so far.

    Attributes:
        run_id: Names the run.
        source: Where originals come from.
        store: Where the archive is.
        config: Model, preset and goal, for people.
        plan: The plan, for people.
        n_planned: Rows that the run will write.
        n_before: Images that were archived already.
        n_archived: Images archived and verified by this run.
        n_failed: Rows with status ``failed``.
        n_stored_lossless: Images that no fit brought up to the contract.
        n_pixels: Pixels of the images archived.
        source_n_bytes: Size of their originals.
        n_bytes: Size of their bitstreams.
        psnr_db_sum: Sum of their PSNR, where finite; `n_lossless` counts the others.
        fit_seconds: Time in fits, added up over all workers.
        wall_seconds: Time of the run.
        rows: The rows kept for the table.
        points: Points for the plot.
    """

    run_id: str
    source: str
    store: str
    config: str
    plan: str
    n_planned: int = 0
    n_before: int = 0
    n_archived: int = 0
    n_failed: int = 0
    n_stored_lossless: int = 0
    n_lossless: int = 0
    n_pixels: int = 0
    source_n_bytes: int = 0
    n_bytes: int = 0
    psnr_db_sum: float = 0.0
    fit_seconds: float = 0.0
    wall_seconds: float = 0.0
    rows: dict[Status, list[Outcome]] = field(default_factory=dict)
    points: ThinnedPoints = field(default_factory=ThinnedPoints)

    def add(self, outcome: Outcome) -> None:
        """Count an image."""
        is_archived = isinstance(outcome, Archived)
        kept = self.rows.setdefault(Status.ARCHIVED if is_archived else Status.FAILED, [])
        if len(kept) < KEPT_ROWS:
            kept.append(outcome)
        self.points.add(outcome)
        if not isinstance(outcome, Archived):
            self.n_failed += 1
            return
        stored, psnr_db = outcome.stored, outcome.verification.psnr_db
        self.n_archived += 1
        self.n_stored_lossless += stored.network is None
        self.n_pixels += stored.picture.width * stored.picture.height
        self.source_n_bytes += outcome.origin.image.n_bytes
        self.n_bytes += stored.file.n_bytes
        self.fit_seconds += stored.effort.fit_seconds
        if math.isinf(psnr_db):
            self.n_lossless += 1
        else:
            self.psnr_db_sum += psnr_db

    @property
    def n_done(self) -> int:
        """Rows so far."""
        return self.n_archived + self.n_failed

    @property
    def mean_psnr_db(self) -> float:
        """Mean over the images whose PSNR is finite; NaN if there is none."""
        n_finite = self.n_archived - self.n_lossless
        return self.psnr_db_sum / n_finite if n_finite else math.nan

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel over all images archived, by file bytes; NaN if there is none."""
        return 8 * self.n_bytes / self.n_pixels if self.n_pixels else math.nan

    def records(self) -> list[Outcome]:
        """The rows kept, failures first, each by path."""
        return sorted(
            (outcome for kept in self.rows.values() for outcome in kept),
            key=lambda outcome: (isinstance(outcome, Archived), outcome.path),
        )

    def headline(self) -> str:
        """One line: what came of the run."""
        if self.n_planned == 0:
            return f"nothing to do: {self.n_before} images are archived already"
        done = f"{self.n_archived} of {self.n_planned} images archived and verified"
        before = f", {self.n_before} archived before" if self.n_before else ""
        lossless = f", {self.n_stored_lossless} without loss" if self.n_stored_lossless else ""
        return f"{done}{lossless}{before}" + (f", {self.n_failed} failed" if self.n_failed else "")


def table_row(outcome: Outcome) -> dict[str, str]:
    """An image for people: the columns of `COLUMNS`; empty is what was not known when it failed."""
    setting = outcome.origin.setting
    row = dict.fromkeys(COLUMNS, "")
    row |= {"image": outcome.path, "model": f"{setting.model} {setting.preset}", "verified": "FAILED"}
    if outcome.stored is not None:
        row |= _measures(outcome.stored)
    if isinstance(outcome, Archived):
        verification = outcome.verification
        seconds = outcome.stored.effort.encode_seconds + verification.verify_seconds
        row |= {"PSNR": f"{verification.psnr_db:.2f}", "seconds": f"{seconds:.1f}", "verified": "yes"}
    return row


def _measures(stored: Stored) -> dict[str, str]:
    """What a stored file adds to the row of its image."""
    picture, network = stored.picture, stored.network
    measures = {
        "size": f"{picture.width}x{picture.height}x{picture.channels}",
        "bpp": f"{stored.file.rate_bpp:.3f}",
        "PSNR": f"{stored.file.psnr_db:.2f}",
        "seconds": f"{stored.effort.encode_seconds:.1f}",
    }
    return {**measures, **({"model": LOSSLESS} if network is None else {"λ": f"{network.rd_lambda:.4g}"})}


def reason(outcome: Outcome) -> str:
    """Why an image failed; nothing if it did not."""
    return "" if isinstance(outcome, Archived) else f"{outcome.error_type}: {outcome.error_message}"


def as_values(summary: RunSummary) -> dict[str, Any]:
    """The summary for machines: totals, and the rows kept, as JSON has them."""
    values: dict[str, Any] = {
        part.name: getattr(summary, part.name)
        for part in fields(summary)
        if part.name not in {"rows", "points"}
    }
    values |= {"mean_psnr_db": summary.mean_psnr_db, "rate_bpp": summary.rate_bpp}
    values["images"] = [
        {name: _plain(value) for name, value in row_of(outcome).items()} for outcome in summary.records()
    ]
    return values


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def number(value: float | None, how: str) -> str:
    """A number for people; nothing where there is none."""
    return "" if value is None else format(value, how)


def facts(summary: RunSummary) -> list[str]:
    """What a run did, as a list in Markdown."""
    told = {
        "source": summary.source,
        "store": summary.store,
        "config": summary.config,
        "plan": summary.plan,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s, of which fits took "
        f"{summary.fit_seconds:.1f} s over all workers",
    }
    if summary.n_archived:
        told["size"] = (
            f"{summary.source_n_bytes} bytes of originals became {summary.n_bytes} bytes: "
            f"{summary.rate_bpp:.3f} bpp, mean PSNR {summary.mean_psnr_db:.2f} dB"
        )
    return markdown_list(told)


def markdown(summary: RunSummary) -> str:
    """The summary of a run, as the store's report shows it."""
    rows = summary.records()
    lines = [f"# {summary.headline()}", "", *facts(summary)]
    if rows:
        cells = [(*table_row(outcome).values(), reason(outcome)) for outcome in rows]
        lines += ["", *markdown_table((*COLUMNS, "reason"), cells)]
    if len(rows) < summary.n_done:
        lines += ["", f"{summary.n_done - len(rows)} more rows are in the catalogue."]
    return "\n".join(lines) + "\n"


def store_report(store: ObjectStore, summary: RunSummary) -> str:
    """Write the Markdown summary into the store; returns its key."""
    key = f"reports/{summary.run_id}.md"
    store.put(key, markdown(summary).encode())
    return key


def markdown_list(told: Mapping[str, object]) -> list[str]:
    """The lines of a list: what, and how much or which."""
    return [f"- {name}: {markdown_cell(str(value))}" for name, value in told.items()]


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    cells = [columns, ["---"] * len(columns), *([markdown_cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def markdown_cell(text: str) -> str:
    """File names and messages come from outside: nothing in them may be Markdown or HTML."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return "".join(f"\\{c}" if c in "\\|`*_[]" else c for c in escaped)
