"""The promises of every store, for each kind of store."""

import threading

import pytest

from tasks.errors import ChecksumFailed, ObjectMissing, StorageError, StorageUnavailable
from tasks.store import objects
from tasks.store.folder import LocalStore
from tasks.store.locations import open_store
from tasks.store.objects import ObjectStore, patient, put_anew, retried


def test_an_object_comes_back_as_it_was_put(store: ObjectStore):
    assert store.put("a/b.bin", b"123")
    assert store.put("a/empty", b"")
    assert store.get("a/b.bin", max_bytes=3) == b"123"
    assert store.get("a/empty", max_bytes=0) == b""
    assert [(found.key, found.n_bytes) for found in store.objects("a")] == [("a/b.bin", 3), ("a/empty", 0)]


def test_a_key_is_created_once(store: ObjectStore):
    assert store.put("key", b"first")
    assert not store.put("key", b"second")
    assert not store.put("key", b"first")
    assert store.get("key", max_bytes=10) == b"first"


def test_of_many_writers_one_creates_the_key_and_its_object_is_whole(store: ObjectStore):
    won = []
    start = threading.Barrier(16)

    def write(n: int) -> None:
        data = bytes([n]) * 100_000
        start.wait()
        if store.put("key", data):
            won.append(data)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get("key", max_bytes=100_000)] == won
    if isinstance(store, LocalStore):
        assert list((store.root / ".tmp").iterdir()) == []


def test_missing_objects_have_their_own_error_and_can_be_deleted(store: ObjectStore):
    with pytest.raises(ObjectMissing, match="read nothing"):
        store.get("nothing", max_bytes=1)
    store.delete("nothing")
    assert store.objects("nothing") == []


def test_a_deleted_key_is_free_again(store: ObjectStore):
    store.put("key", b"1")
    store.delete("key")
    assert store.put("key", b"2")


def test_what_can_be_made_again_takes_the_place_of_what_is_there(store: ObjectStore):
    for data in (b"first", b"second"):
        put_anew(store, "reports/run.md", data)
        assert store.get("reports/run.md", max_bytes=10) == data


def test_an_object_above_the_limit_is_not_read(store: ObjectStore):
    store.put("key", b"12345")
    with pytest.raises(StorageError, match=r"read key.*at most 4 bytes"):
        store.get("key", max_bytes=4)


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(store: ObjectStore):
    for key in ("a/1", "a/b/2", "ab/3", "a.4"):
        store.put(key, b"x")
    assert [found.key for found in store.objects("a")] == ["a/1", "a/b/2"]


@pytest.mark.parametrize("key", ["../up", "a/../b", "/root", "a//b", ".hidden", "a/.hidden", "", "a b", "a/"])
def test_keys_that_could_leave_the_store_are_refused(store: ObjectStore, key: str):
    for use in (lambda: store.put(key, b""), lambda: store.get(key, max_bytes=1), lambda: store.delete(key)):
        with pytest.raises(StorageError, match="key"):
            use()


def test_a_store_opens_from_its_own_url(store: ObjectStore):
    store.put("key", b"1")
    assert open_store(store.url).get("key", max_bytes=1) == b"1"


class Away:
    """A store that answers at the n-th attempt."""

    def __init__(self, answers_at: int, error: type[StorageUnavailable] = StorageUnavailable) -> None:
        self.n_attempts, self._answers_at, self._error = 0, answers_at, error

    @retried
    def get(self) -> bytes:
        self.n_attempts += 1
        if self.n_attempts < self._answers_at:
            raise self._error("read a from here: 503")
        return b"here"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the store says, and no pauses."""
    monkeypatch.setattr(objects, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(objects, "_told_at", None)
    monkeypatch.setattr(objects.log, "propagate", True)
    return caplog


def test_a_store_that_does_not_answer_is_asked_some_times(lines: pytest.LogCaptureFixture):
    assert Away(objects.ATTEMPTS).get() == b"here"
    store = Away(objects.ATTEMPTS + 1)
    with pytest.raises(StorageUnavailable, match="503"):
        store.get()
    assert store.n_attempts == objects.ATTEMPTS
    assert lines.messages == [
        "the store does not answer, and is asked again for about 40 s: read a from here: 503"
    ]


def test_a_run_has_patience_until_its_time_is_over(
    lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """As many attempts as time allows; and each line says for how long, once a minute."""
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += 15.0

    monkeypatch.setattr(objects.time, "monotonic", lambda: now)
    monkeypatch.setattr(objects.time, "sleep", sleep)
    store = Away(1 + 3600 // 15)
    with patient(3600):
        assert store.get() == b"here"
    assert now == 3600
    assert (
        lines.messages
        == ["the store does not answer, and is asked again for 3600 s: read a from here: 503"] * 60
    )
    with patient(3600), patient(0), pytest.raises(StorageUnavailable):
        Away(1 + objects.ATTEMPTS).get()
    store = Away(10**9)
    with patient(3600), pytest.raises(StorageUnavailable):
        store.get()
    assert store.n_attempts == 1 + 3600 // 15


def test_nobody_is_patient_with_an_object_that_fails_its_checksum(lines: pytest.LogCaptureFixture):
    store = Away(2 * objects.ATTEMPTS, ChecksumFailed)
    with patient(3600), pytest.raises(ChecksumFailed):
        store.get()
    assert store.n_attempts == objects.ATTEMPTS
    assert "is asked again for about 40 s" in lines.text


def test_a_store_that_answers_says_nothing(lines: pytest.LogCaptureFixture):
    assert Away(1).get() == b"here"
    assert lines.messages == []
