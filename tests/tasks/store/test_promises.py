"""The promises of a store, tried at stores that keep them, and at some of which each breaks one."""

import errno
import os
import time
import uuid
from pathlib import Path

import pytest

from tasks.catalogue.records import now
from tasks.errors import StorageError
from tasks.store import promises
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore, StoredObject
from tasks.store.promises import Promise, require_promises, room, tried
from tasks.store.s3 import list_keys, parse_url
from tests.s3_gateway import gateway_before
from tests.s3_server import READER_KEY, READER_SECRET, Access, Server

WRITE, AGAIN, RACE, LISTED, DELETED = range(5)


def test_a_store_keeps_its_promises_and_nothing_is_left_in_it(store: ObjectStore):
    found = list(tried(store))
    assert [promise.problem for promise in found] == [""] * 5
    assert all(promise.is_kept for promise in found)
    require_promises(store)
    if isinstance(store, LocalStore):
        assert [path.name for path in store.root.rglob("*")] == [".tmp"]
    else:
        assert list(list_keys(parse_url(store.url))) == []


class Overwriting(LocalStore):
    def put(self, key: str, data: bytes) -> bool:
        self.path(key).parent.mkdir(parents=True, exist_ok=True)
        self.path(key).write_bytes(data)
        return True


class Refusing(LocalStore):
    def put(self, key: str, data: bytes) -> bool:
        return False


class Hasty(LocalStore):
    """Looks whether there is a key, and then writes it."""

    def put(self, key: str, data: bytes) -> bool:
        if self.path(key).exists():
            return False
        time.sleep(0.2)
        self.path(key).parent.mkdir(parents=True, exist_ok=True)
        self.path(key).write_bytes(data)
        return True


class Changing(LocalStore):
    def get(self, key: str, *, max_bytes: int) -> bytes:
        return super().get(key, max_bytes=max_bytes)[:-1]


class Forgetting(LocalStore):
    def objects(self, prefix: str) -> list[StoredObject]:
        return super().objects(prefix)[1:]


class Keeping(LocalStore):
    def delete(self, key: str) -> None:
        """Say that it is done."""


class Remembering(LocalStore):
    """Lists what was deleted."""

    def objects(self, prefix: str) -> list[StoredObject]:
        return [StoredObject(f"{prefix}/one", 5, now()), StoredObject(f"{prefix}/raced", 1, now())]


@pytest.mark.parametrize(
    ("kind", "broken", "problem"),
    [
        (Refusing, WRITE, "refused"),
        (Changing, WRITE, "b'firs' came back, and not b'first'"),
        (Overwriting, AGAIN, "two workers would overwrite each other's files"),
        (Hasty, RACE, "were told that they had won"),
        (Forgetting, LISTED, "raced"),
        (Keeping, DELETED, "it can be read"),
        (Remembering, DELETED, "it is listed"),
    ],
)
def test_a_promise_that_is_broken_is_found_and_what_rests_on_it_is_not_tried(
    kind: type[LocalStore], broken: int, problem: str, tmp_path: Path
):
    found = list(tried(kind(tmp_path)))
    assert [promise.is_kept for promise in found] == [n < broken for n in range(5)]
    assert [promise.is_tried for promise in found] == [n <= broken for n in range(5)]
    assert problem in found[broken].problem
    with pytest.raises(StorageError, match=f"expected that {found[broken].text}, found: ") as told:
        require_promises(kind(tmp_path))
    assert str(tmp_path) in str(told.value)


def test_a_server_that_takes_no_notice_of_conditions_is_found(s3_server: Server, s3_access: Access):
    place = f"s3://archive/{uuid.uuid4().hex}"
    with gateway_before(s3_server) as through:
        s3_access.through(through)
        require_promises(open_store(place))  # the gateway itself changes nothing
    with gateway_before(s3_server, drops=["if-none-match"]) as through:
        s3_access.through(through)
        with pytest.raises(StorageError, match=r"a second write of a key is refused.*found: it was taken"):
            require_promises(open_store(place))
    s3_access.through(s3_server.endpoint)
    assert list(list_keys(parse_url(place))) == []


def test_a_server_that_does_not_know_conditions_says_so_at_once(s3_server: Server, s3_access: Access):
    with gateway_before(s3_server, refuses=["if-none-match"]) as through:
        s3_access.through(through)
        began = time.monotonic()
        [first, *others] = tried(open_store("s3://archive/unconditional"))
        assert time.monotonic() - began < 10  # it is asked once
    assert "NotImplemented: the server does not know this request" in first.problem
    assert not any(promise.is_tried for promise in others)


def test_credentials_that_may_only_read_are_told(s3_server: Server, s3_access: Access):
    s3_access.through(s3_server.endpoint, access_key=READER_KEY, secret=READER_SECRET)
    [first, *_] = tried(open_store("s3://archive/read"))
    assert "AccessDenied" in first.problem


def test_a_file_system_without_links_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    [first, *_] = tried(LocalStore(tmp_path))
    assert "Operation not permitted" in first.problem
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_a_disk_has_room_or_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    [found] = room(LocalStore(tmp_path))
    assert found == Promise("there is room for the largest file, 512 MiB")
    monkeypatch.setattr(promises, "MAX_BITSTREAM_BYTES", 1 << 60)
    [found] = room(LocalStore(tmp_path))
    assert found.problem.endswith(" MiB")
    [found] = room(LocalStore(tmp_path / "none"))
    assert "No such file" in found.problem


def test_nobody_knows_the_room_of_a_bucket(s3_access: Access):
    assert list(room(open_store("s3://archive/x"))) == []
