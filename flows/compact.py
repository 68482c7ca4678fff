"""The flow ``compact``: many small parts of the catalogue become one per day and table."""

import time
import uuid
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run
from prefect.states import Failed

from flows.workers import TASK_RUNNER, outcomes
from tasks.compact import Compacted, CompactSummary, plan_compaction
from tasks.compact import compact as compact_task
from tasks.errors import ImagesFailed
from tasks.storage import open_store

DAYS_AT_A_TIME = 2  # each is held in memory


def run_name() -> str:
    """What a run compacts, for Prefect's lists."""
    return f"compact {flow_run.parameters['store']}"


@flow(name="compact", flow_run_name=run_name, task_runner=TASK_RUNNER)
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
    for day, outcome in outcomes(
        lambda day: compact_task.submit(target.url, day, day.describe()), days, DAYS_AT_A_TIME
    ):
        if isinstance(outcome, Compacted):
            summary.add(outcome)
        else:
            summary.fail(day, outcome)
    summary.wall_seconds = time.perf_counter() - started
    rows = [{"day": day, "reason": reason} for day, reason in summary.failures]
    create_table_artifact(key="compact-failures", table=rows, description=summary.headline())
    if summary.n_failed:
        return Failed(message=summary.headline(), data=ImagesFailed(summary.headline(), summary))
    return summary
