"""Prefect's tasks of the steps; that they do the steps' work is seen in the flows."""

import pytest
from prefect import Task

from flows.engine import tasks

TASKS = {name: value for name, value in vars(tasks).items() if isinstance(value, Task)}


def test_every_step_is_a_task_of_its_own_name():
    names = {"audit", "compact", "compress", "record_audits", "record_batch", "restore", "verify"}
    assert TASKS.keys() == names
    assert {task.name for task in TASKS.values()} == names


@pytest.mark.parametrize("name", TASKS)
def test_a_task_of_a_run_says_what_it_is_about_and_is_repeated_by_nobody(name: str):
    assert TASKS[name].task_run_name
    assert TASKS[name].retries == 0
