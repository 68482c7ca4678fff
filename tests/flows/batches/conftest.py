from dataclasses import asdict
from typing import Any

import pytest
from prefect.client.orchestration import get_client

from flows.batches.batch import archive_batch
from tasks.catalogue.recipe import Recipe
from tests.flows.conftest import DRAFT


@pytest.fixture
def unattended(server: str) -> str:
    """A deployment whose runs nobody takes."""
    with get_client(sync_client=True) as client:
        flow_id = client.create_flow(archive_batch)
        client.create_deployment(flow_id, "unattended")
    return "archive-batch/unattended"


def parameters_of(number: int) -> dict[str, Any]:
    """The parameters of a batch into nowhere."""
    recipe = asdict(Recipe(DRAFT))
    common = {"store": "/nowhere", "folder": "runs/a", "n_batches": 8, "run_id": "abcdefghij"}
    return {**common, "number": number, "recipe": recipe, "options": {}, "seconds": None}
