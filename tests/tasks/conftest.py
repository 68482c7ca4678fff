import uuid
from pathlib import Path

import pytest

from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """A store of each kind, with nothing in it; of one kind, where a test names it."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    request.getfixturevalue("s3_access")
    return open_store(f"s3://archive/{uuid.uuid4().hex}/a place")
