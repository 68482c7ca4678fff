"""Files that are made while the store is away: kept on this host, and stored when it is back."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.errors import StorageError, StorageUnavailable
from tasks.plan import claims
from tasks.plan.claims import Claim
from tasks.steps import storing
from tasks.steps.storing import carry, store_claimed
from tasks.store import objects
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore
from tests.s3_server import Access, Proxy, Server, proxy_before
from tests.tasks.rows import planned, stored_of

DATA = b"what a fit of an hour became"
CLAIM = Claim(stored_of(planned("a.png"), DATA), ())
KEY = CLAIM.stored.file.key
NAMES = (CLAIM.stored.planned.image.digest, CLAIM.stored.planned.setting.archive_digest)


@pytest.fixture
def states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of this host for what is kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    return tmp_path / "states" / "inr" / "kept"


@pytest.fixture
def store(s3_access: Access, states: Path) -> ObjectStore:
    return open_store(f"s3://archive/{uuid.uuid4().hex}")


@pytest.fixture
def away(
    store: ObjectStore, s3_server: Server, s3_access: Access, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """The network before a store that does not answer."""
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.0)
    with proxy_before(s3_server) as proxy:
        s3_access.through(proxy.endpoint)
        proxy.busy = 1 << 30
        yield proxy


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_nothing_is_left_on_this_host_of_what_the_store_has(store: ObjectStore, states: Path):
    assert store_claimed(store, CLAIM, DATA) == CLAIM.stored
    assert files(states) == []
    assert claims.claimed(store, *NAMES) == CLAIM


def test_a_folder_is_written_to_straight(tmp_path: Path, states: Path):
    store_claimed(LocalStore(tmp_path / "store"), CLAIM, DATA)
    assert carry(LocalStore(tmp_path / "store")) == 0
    assert not states.exists()


def test_what_a_store_that_is_away_did_not_take_is_stored_when_it_is_back(
    store: ObjectStore, away: Proxy, states: Path
):
    with pytest.raises(StorageUnavailable, match=f"the file is kept in {states}/"):
        store_claimed(store, CLAIM, DATA)
    with pytest.raises(StorageUnavailable):
        carry(store)
    assert carry(open_store("s3://archive/another")) == 0
    away.busy = 0
    assert carry(store) == 1
    assert claims.claimed(store, *NAMES) == CLAIM
    assert store.get(KEY, max_bytes=100) == DATA
    assert files(states) == []
    assert carry(store) == 0


def test_what_another_host_has_stored_meanwhile_stays(store: ObjectStore, away: Proxy, states: Path):
    with pytest.raises(StorageUnavailable):
        store_claimed(store, CLAIM, DATA)
    away.busy = 0
    store.put(KEY, b"archived by another host")
    assert carry(store) == 0
    assert store.get(KEY, max_bytes=100) == b"archived by another host"
    assert files(states) == []
    assert store.objects("journal") == []


@pytest.mark.parametrize("damage", ["of the file", "of the claim", "no file"])
def test_what_is_damaged_on_this_host_is_not_stored(
    store: ObjectStore, away: Proxy, states: Path, damage: str
):
    with pytest.raises(StorageUnavailable):
        store_claimed(store, CLAIM, DATA)
    kept = {path.suffix: path for path in files(states)}
    assert kept[".inr"].read_bytes() == DATA
    if damage == "no file":
        kept[".inr"].unlink()
    else:
        kept[".inr" if damage == "of the file" else ".json"].write_bytes(b"{}")
    away.busy = 0
    assert carry(store) == 0
    assert store.objects("bitstreams") == store.objects("journal") == []
    assert [path for path in files(states) if path.suffix == ".json"] == []


def test_a_later_file_of_an_image_takes_the_place_of_the_one_that_is_kept(
    store: ObjectStore, away: Proxy, states: Path
):
    later = Claim(stored_of(planned("a.png"), b"later"), ())
    for claim, data in ((CLAIM, DATA), (later, b"later")):
        with pytest.raises(StorageUnavailable):
            store_claimed(store, claim, data)
    away.busy = 0
    assert carry(store) == 1
    assert hashlib.sha256(store.get(KEY, max_bytes=100)).hexdigest() == later.stored.file.bitstream_digest


def test_where_this_host_can_keep_nothing_the_store_is_tried_all_the_same(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, states: Path
):
    def full(self: LocalStore, key: str, data: bytes) -> bool:
        raise StorageError("write: No space left on device")

    monkeypatch.setattr(storing.LocalStore, "put", full)
    monkeypatch.setattr(storing.log, "propagate", True)
    assert store_claimed(store, CLAIM, DATA) == CLAIM.stored
    assert "a file is not kept on this host while it is stored: write: No space left" in caplog.text


def test_the_home_of_another_user_stops_nothing(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def closed(self: LocalStore, root: Path) -> None:
        raise StorageError(f"open {root}: Permission denied")

    monkeypatch.setattr(storing.LocalStore, "__init__", closed)
    monkeypatch.setattr(storing.log, "propagate", True)
    assert carry(store) == 0
    assert "it is not known what this host has kept: open " in caplog.text
    assert store_claimed(store, CLAIM, DATA) == CLAIM.stored
