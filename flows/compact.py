"""The flow ``compact``: many small parts of the catalogue become one per day and table."""

from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.engine.artifacts import failures
from flows.engine.interrupts import handing_back
from flows.engine.runs import begin, ended
from flows.engine.tasks import compact as compact_task
from flows.engine.workers import Step
from tasks.catalogue.lookup import open_archive
from tasks.report.markdown import markdown_list
from tasks.settings import RunOptions
from tasks.steps.compact import CompactSummary, Day, plan_compaction
from tasks.wording import counted

DAYS_AT_A_TIME = 2  # each is held in memory


def run_name() -> str:
    """The name of a run in Prefect's lists: what it compacts."""
    return f"compact {flow_run.parameters['store']}"


@flow(name="compact", flow_run_name=run_name)
def compact(store: str) -> Any:  # CompactSummary, or a failed state; Prefect unwraps the state
    """Make one part of the parts of each day in every table; archives and readers go on meanwhile.

    Args:
        store: Folder of the archive, as a path or ``file:`` URI, or ``s3://bucket/prefix``.

    Returns:
        The `CompactSummary`, where every day was compacted.

    Raises:
        ImagesFailed: Some days were not; carries the summary.
        ConfigError, StorageError: The store cannot be used.
    """
    run, target = begin(RunOptions(workers=DAYS_AT_A_TIME)), open_archive(store)

    def step(day: Day) -> Step:
        return Step(compact_task, {"store_url": target.url, "day": day, "name": day.describe()})

    def count(day: Day, result: Any) -> None:
        summary.fail(day, result) if isinstance(result, Exception) else summary.add(result)

    with handing_back():
        days, too_large = plan_compaction(target)
        get_run_logger().info("%s to compact", counted(len(days), "day"))
        summary = CompactSummary(run.run_id, target.url, len(days), n_too_large=len(too_large))
        run.each(days, step, count, summary)
    return ended(summary, _page(summary), failures("day", summary.failures, summary.n_failed))


def _page(summary: CompactSummary) -> str:
    facts = {
        "store": summary.store,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "days": f"{summary.n_done} of {summary.n_planned}, {summary.n_failed} failed",
        "parts": f"{summary.n_parts} became {summary.n_made}, with {counted(summary.n_rows, 'row')}",
        "objects removed": summary.n_removed,
        **({"days too large, left alone": summary.n_too_large} if summary.n_too_large else {}),
    }
    return "\n".join(markdown_list(facts))
