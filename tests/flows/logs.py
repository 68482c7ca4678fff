"""The log of a run, as Prefect's server has it."""

import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import Log
from prefect.client.schemas.sorting import LogSort

PAGE = 200


def log_of(run_id: object) -> list[Log]:
    """All lines of a run and its tasks; lines reach the server some time after they were written."""
    until = time.monotonic() + 60
    while True:
        found: list[Log] = []
        wanted = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run_id]))
        with get_client(sync_client=True) as client:
            while len(found) % PAGE == 0 and (
                page := client.read_logs(wanted, PAGE, len(found), LogSort.TIMESTAMP_ASC)
            ):
                found += page
        if any(log.message.startswith("Finished in state") and log.task_run_id is None for log in found):
            return found
        assert time.monotonic() < until, [log.message for log in found]
        time.sleep(0.2)
