"""The flow ``compact``: many small parts of the catalogue become one per day and table."""

import time
import uuid
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.engine.artifacts import ProgressArtifact, publish_page, publish_table
from flows.engine.workers import Step, outcomes, task_runner
from tasks.errors import ImagesFailed
from tasks.report.summary import markdown_list
from tasks.settings import RunOptions
from tasks.steps.compact import Compacted, CompactSummary, Day, plan_compaction
from tasks.steps.compact import compact as compact_task
from tasks.store.locations import open_store

DAYS_AT_A_TIME = 2  # each is held in memory


def run_name() -> str:
    """What a run compacts, for Prefect's lists."""
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
    started = time.perf_counter()
    target = open_store(store)
    days = plan_compaction(target)
    get_run_logger().info("%d days to compact", len(days))
    summary = CompactSummary(str(flow_run.id or uuid.uuid4()), target.url, len(days))
    progress = ProgressArtifact(summary)

    def step(day: Day) -> Step:
        return compact_task, {"store_url": target.url, "day": day, "name": day.describe()}

    with task_runner(RunOptions()) as engine:
        for day, outcome in outcomes(engine, DAYS_AT_A_TIME, days, step):
            if isinstance(outcome, Compacted):
                summary.add(outcome)
            else:
                summary.fail(day, outcome)
            progress.update(summary)
    summary.wall_seconds = time.perf_counter() - started
    _publish(summary)
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary


def _publish(summary: CompactSummary) -> None:
    told = {
        "store": summary.store,
        "run": f"{summary.run_id}, {summary.wall_seconds:.1f} s",
        "days": f"{summary.n_done} of {summary.n_planned}, {summary.n_failed} failed",
        "parts": f"{summary.n_parts} became {summary.n_made}, with {summary.n_rows} rows",
        "objects removed": summary.n_removed,
    }
    publish_page(summary.headline(), "\n".join(markdown_list(told)))
    rows = [{"day": day, "reason": reason} for day, reason in summary.failures]
    publish_table("failures", rows, summary.n_failed)
