"""A run's totals, and the rows of its table of images; `tasks.report.markdown` writes them as Markdown.

A summary keeps totals, and at most `KEPT_ROWS` rows of each status: a report is for reading, and
the memory of a run must not grow with it. The catalogue has every row.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import LOSSLESS, Archived, Outcome, Planned, Status, Stored
from tasks.catalogue.rows import row_of
from tasks.report.points import ThinnedPoints
from tasks.wording import counted

if TYPE_CHECKING:
    from tasks.plan.planning import Plan

KEPT_ROWS = 500
COLUMNS = ("image", "size", "model", "λ", "bpp", "PSNR", "seconds", "verified")


@dataclass
class RunSummary:
    """The totals of a run so far.

    Attributes:
        run_id: Names the run.
        source: The source of the originals.
        store: URL of the archive.
        config: Model, preset and goal, for people.
        plan: The plan, for people.
        n_planned: Rows that the run will write.
        n_before: Images that were archived already.
        n_renamed: Those of them that were found under other names than those of their rows.
        n_excluded: Originals that were left out by include and exclude.
        n_archived: Images archived and verified by this run.
        n_missed: Those of them whose files miss the target.
        n_failed: Rows with status ``failed``.
        n_bad: Those of them that failed by their own fault.
        n_known_bad: Files that were left alone, since they had failed by their own fault before.
        known_bad: Path and reason of the first `KEPT_ROWS` of these.
        n_stored_lossless: Images stored without loss, as JPEG XL, WebP or PNG.
        n_exact: Images whose PSNR is infinite: those, and the ones that a fit reproduces exactly.
        n_pixels: Pixels of the images archived.
        source_n_bytes: Size of their originals.
        n_bytes: Size of their bitstreams.
        psnr_db_sum: Sum of their PSNR, where finite; `n_exact` counts the others.
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
    n_renamed: int = 0
    n_excluded: int = 0
    n_archived: int = 0
    n_missed: int = 0
    n_failed: int = 0
    n_bad: int = 0
    n_known_bad: int = 0
    known_bad: list[tuple[str, str]] = field(default_factory=list)
    n_stored_lossless: int = 0
    n_exact: int = 0
    n_pixels: int = 0
    source_n_bytes: int = 0
    n_bytes: int = 0
    psnr_db_sum: float = 0.0
    fit_seconds: float = 0.0
    wall_seconds: float = 0.0
    rows: dict[Status, list[Outcome]] = field(default_factory=dict)
    points: ThinnedPoints = field(default_factory=ThinnedPoints)

    @classmethod
    def of(cls, plan: "Plan", source: str, store: str, recipe: Recipe, run_id: str = "") -> "RunSummary":
        """The summary of a run that has done nothing yet; without an id, of one that has nothing to do."""
        return cls(
            run_id=run_id,
            source=source,
            store=store,
            config=recipe.describe(),
            plan=plan.describe(),
            n_planned=plan.n_to_do,
            n_before=plan.n_archived,
            n_renamed=len(plan.renamed),
            n_excluded=plan.n_excluded,
            n_known_bad=len(plan.known_bad),
            known_bad=[(bad.path, bad.describe()) for bad in plan.known_bad[:KEPT_ROWS]],
        )

    def add(self, outcome: Outcome) -> None:
        """Count an image."""
        is_archived = isinstance(outcome, Archived)
        kept = self.rows.setdefault(Status.ARCHIVED if is_archived else Status.FAILED, [])
        if len(kept) < KEPT_ROWS:
            kept.append(outcome)
        self.points.add(outcome)
        if not isinstance(outcome, Archived):
            self.n_failed += 1
            self.n_bad += outcome.is_bad
            return
        stored, psnr_db = outcome.stored, outcome.verification.psnr_db
        self.n_archived += 1
        self.n_missed += bool(missed_target(outcome))
        self.n_stored_lossless += stored.network is None
        self.n_pixels += stored.picture.width * stored.picture.height
        self.source_n_bytes += outcome.origin.image.n_bytes
        self.n_bytes += stored.file.n_bytes
        self.fit_seconds += stored.effort.fit_seconds
        if math.isinf(psnr_db):
            self.n_exact += 1
        else:
            self.psnr_db_sum += psnr_db

    def recounted(self, archived: Mapping[str, Archived], n_bad: int) -> "RunSummary":
        """The same run, with just these images archived, whatever it was told on the way; the others failed.

        Args:
            archived: Digest → record of each image of the run that the catalogue has as archived.
            n_bad: Rows of files that failed by their own fault.
        """
        found = RunSummary(self.run_id, self.source, self.store, self.config, self.plan)
        found.n_planned, found.n_before, found.n_excluded = self.n_planned, self.n_before, self.n_excluded
        found.n_known_bad, found.known_bad = self.n_known_bad, self.known_bad
        found.n_renamed = self.n_renamed
        found.wall_seconds = self.wall_seconds
        for outcome in archived.values():
            found.add(outcome)
        for failed in self.rows.get(Status.FAILED, ()):
            if not (isinstance(failed.origin, Planned) and failed.origin.image.digest in archived):
                found.rows.setdefault(Status.FAILED, []).append(failed)
        found.n_failed, found.n_bad = self.n_planned - found.n_archived, n_bad
        return found

    @property
    def n_done(self) -> int:
        """Rows so far."""
        return self.n_archived + self.n_failed

    @property
    def mean_psnr_db(self) -> float:
        """Mean over the images whose PSNR is finite; NaN if there is none."""
        n_finite = self.n_archived - self.n_exact
        return self.psnr_db_sum / n_finite if n_finite else math.nan

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel over all images archived, by file bytes; NaN if there is none."""
        return 8 * self.n_bytes / self.n_pixels if self.n_pixels else math.nan

    def sizes(self) -> str:
        """One line: what the originals of the images archived, of which there is one or more, became."""
        n_finite = self.n_archived - self.n_exact
        quality = f"mean PSNR {self.mean_psnr_db:.2f} dB" if n_finite else "all without any loss"
        if n_finite and self.n_exact:
            quality += f" over {n_finite}, and {self.n_exact} without any loss"
        became = f"{self.source_n_bytes} bytes of originals became {self.n_bytes} bytes"
        return f"{became}: {self.rate_bpp:.3f} bpp, {quality}"

    def records(self) -> list[Outcome]:
        """The outcomes kept, failures first, each by path."""
        return sorted(
            (outcome for kept in self.rows.values() for outcome in kept),
            key=lambda outcome: (isinstance(outcome, Archived), outcome.path),
        )

    def headline(self) -> str:
        """One line: what came of the run."""
        known = f", {self.n_known_bad} known to be bad" if self.n_known_bad else ""
        if self.n_planned == 0:
            return f"nothing to do: {self._there_are()}{known}"
        done = f"{self.n_archived} of {counted(self.n_planned, 'image')} archived and verified"
        before = f", {self.n_before} archived before{self._renamed()}" if self.n_before else ""
        misses = "misses its target" if self.n_missed == 1 else "miss their target"
        missed = f", {self.n_missed} of them {misses}" if self.n_missed else ""
        lossless = f", {self.n_stored_lossless} without loss" if self.n_stored_lossless else ""
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        return f"{done}{missed}{lossless}{before}{failed}{self._own_fault()}{known}"

    def _own_fault(self) -> str:
        """How many of those that failed did so by their own fault, as the rest of a clause."""
        if not self.n_bad:
            return ""
        whose = f"by {'its' if self.n_bad == 1 else 'their'} own fault"
        return f" {whose}" if self.n_bad == self.n_failed else f", {self.n_bad} of them {whose}"

    def _renamed(self) -> str:
        """How many of the images that were archived before have other names now, as the rest of a clause."""
        return f", {self.n_renamed} of them renamed" if self.n_renamed else ""

    def _there_are(self) -> str:
        """The images of a source of which none is to do, as a clause."""
        if self.n_before:
            return f"{counted(self.n_before, 'image')} archived already{self._renamed()}"
        if self.n_excluded and not self.n_known_bad:
            return f"include and exclude leave out {counted(self.n_excluded, 'original')}, and take none"
        return f"the source has no {'other ' if self.n_known_bad else ''}image"


def table_row(outcome: Outcome) -> dict[str, str]:
    """An image as the cells of `COLUMNS`; a value that was not known when the image failed is empty."""
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
    """The cells that a stored file adds to the row of its image."""
    picture, network = stored.picture, stored.network
    measures = {
        "size": f"{picture.width}x{picture.height}x{picture.channels}",
        "bpp": f"{stored.file.rate_bpp:.3f}",
        "PSNR": f"{stored.file.psnr_db:.2f}",
        "seconds": f"{stored.effort.encode_seconds:.1f}",
    }
    return {**measures, **({"model": LOSSLESS} if network is None else {"λ": f"{network.rd_lambda:.4g}"})}


def reason(outcome: Outcome) -> str:
    """The error that an image failed with; empty if it did not fail."""
    return "" if isinstance(outcome, Archived) else f"{outcome.error_type}: {outcome.error_message}"


def missed_target(outcome: Outcome) -> str:
    """By what the file of an archived image misses the target; empty where there is none, or it is met."""
    if not isinstance(outcome, Archived):
        return ""
    setting, rate_bpp, psnr_db = (
        outcome.origin.setting,
        outcome.stored.file.rate_bpp,
        outcome.verification.psnr_db,
    )
    if setting.goal == "target_psnr_db" and psnr_db < setting.goal_value:
        return f"the target of {setting.goal_value:g} dB is missed, {psnr_db:.3f} dB was reached"
    if setting.goal == "target_bpp" and rate_bpp > setting.goal_value:
        return f"the target of {setting.goal_value:g} bpp is missed, {rate_bpp:.4f} bpp was reached"
    return ""


def in_a_line(outcome: Outcome) -> str:
    """How an image ended, as the log of a run has it: size, rate, PSNR, bytes and time, or the error."""
    if not isinstance(outcome, Archived):
        return f"{outcome.path}: failed: {reason(outcome)}"
    picture, file, network = outcome.stored.picture, outcome.stored.file, outcome.stored.network
    size = f"{picture.width}x{picture.height}x{picture.channels}"
    quality = f"{file.rate_bpp:.3f} bpp, {outcome.verification.psnr_db:.2f} dB, {file.n_bytes} bytes"
    how = "without loss" if network is None else f"λ {network.rd_lambda:.4g}"
    return f"{outcome.path}: archived, {size}, {quality}, {how}, {outcome.stored.effort.encode_seconds:.1f} s"


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
