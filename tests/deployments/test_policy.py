"""The permissions that the guide names are those that the code needs: no more, and no fewer."""

import ast
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tasks.originals.listing import list_source
from tasks.store import s3, s3_client
from tasks.store.locations import open_store
from tasks.store.objects import put_anew
from tasks.store.promises import tried
from tests.s3_server import Access

ROOT = Path(__file__).parent.parent.parent
POLICY: dict[str, Any] = json.loads((ROOT / "deployments" / "s3-policy.json").read_text())
PERMISSION = {  # that a call needs, by the reference of the service
    "PutObject": "s3:PutObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "DeleteObject": "s3:DeleteObject",
    "ListObjectsV2": "s3:ListBucket",
}


class Calls:
    """The calls of this process's client, and below which prefix each was made."""

    def __init__(self) -> None:
        self.made: set[tuple[str, str]] = set()
        s3_client.client().meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: object) -> None:
        key = params.get("Key") or params["Prefix"]
        self.made.add((model.name, key.split("/")[1]))


@pytest.fixture
def calls(s3_access: Access) -> Calls:
    return Calls()


def granted(folder: str) -> set[str]:
    """The permissions on what is below a folder of the bucket."""
    found = set[str]()
    for statement in POLICY["Statement"]:
        below = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [])
        if statement["Resource"].endswith(f":bucket/{folder}/*") or f"{folder}/*" in below:
            actions = statement["Action"]
            found.update([actions] if isinstance(actions, str) else actions)
    return found


def test_the_policy_grants_what_the_code_calls_and_no_more(calls: Calls):
    top = uuid.uuid4().hex
    store = open_store(f"s3://archive/{top}/store")
    list(tried(store))
    store.put("taken", b"1")
    store.put("taken", b"2")
    put_anew(store, "taken", b"3")
    store.clean()
    needed = {PERMISSION[name] for name, folder in calls.made if folder == "store"}
    assert needed == granted("store") == set(PERMISSION.values())
    photos = open_store(f"s3://archive/{top}/photos")
    photos.put("a.png", b"1")
    calls.made.clear()
    for url in (photos.url, f"{photos.url}/a.png"):
        assert len(list_source(url).files) == 1
    s3.digest_url(f"{photos.url}/a.png", max_bytes=1)
    s3.read_url(f"{photos.url}/a.png", max_bytes=1)
    assert {folder for _, folder in calls.made} == {"photos"}
    assert {PERMISSION[name] for name, _ in calls.made} == granted("photos")


def test_no_call_in_the_source_is_missing_here():
    """What is called on the client, by the names in the source."""
    named = set()
    for path in (ROOT / "tasks" / "store").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                on = node.func.value
                if isinstance(on, ast.Call) and isinstance(on.func, ast.Name) and on.func.id == "client":
                    first = node.args[0] if node.func.attr == "get_paginator" else None
                    named.add(first.value if isinstance(first, ast.Constant) else node.func.attr)
    assert {"".join(map(str.capitalize, str(name).split("_"))) for name in named} == set(PERMISSION)
