"""The graph of a run, as Prefect draws it."""

import time

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId


def edges_of(run_id: object, n_tasks: int) -> dict[str, set[str]]:
    """The names of the tasks that each of the tasks of a run, so many, is said to depend on.

    Prefect's server learns of tasks some time after they were run, and of their names while they run.
    """
    wanted, until = FlowRunFilter(id=FlowRunFilterId(any_=[run_id])), time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while True:
            tasks = client.read_task_runs(flow_run_filter=wanted)
            if len(tasks) >= n_tasks and all(task.state and task.state.is_final() for task in tasks):
                break
            assert time.monotonic() < until, [task.name for task in tasks]
            time.sleep(0.2)
    names = {task.id: task.name for task in tasks}
    return {
        task.name: {
            names[found.id]
            for name, inputs in task.task_inputs.items()
            if name != "__parents__"
            for found in inputs
            if found.input_type == "task_run"
        }
        for task in tasks
    }
