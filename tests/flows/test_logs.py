"""The logs of an archive, as somebody reads them who looks for what went wrong."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId

from tests.flows.conftest import BAD, GOOD, Archived
from tests.flows.logs import log_of


def test_there_is_a_line_for_each_image_and_no_traceback_of_what_is_expected(archived_once: Archived):
    run_id = UUID(archived_once.summary.run_id)
    below = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]))
    with get_client(sync_client=True) as client:
        [batch] = client.read_flow_runs(flow_run_filter=below)
    whole, of_batch = ([line.message for line in log_of(found)] for found in (run_id, batch.id))
    failed = {line.split(": failed: ")[0] for line in whole if ": failed: " in line}
    assert failed == set(BAD)  # the run itself names them, whoever did its batches
    archived = [line for line in of_batch if ": archived, " in line]
    assert {line.split(": archived, ")[0] for line in archived} == GOOD
    assert all(part in line for line in archived for part in (" bpp, ", " dB, ", " bytes, "))
    assert not any("Traceback" in line for line in [*whole, *of_batch])
