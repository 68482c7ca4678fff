import dataclasses
import hashlib
import math
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inr import Progress
from tasks.catalogue.keys import SUFFIXES, object_key
from tasks.catalogue.records import Stored, now
from tasks.plan import claims
from tasks.plan.claims import Claim, claimed, claimed_keys, discard, forget, read_claim, write_claim
from tasks.plan.leases import Leases
from tasks.store.folder import LocalStore
from tests.tasks.disks import spoil
from tests.tasks.rows import ARCHIVE, digest, planned, stored_of


def with_file(stored: Stored, **changes: Any) -> Stored:
    return dataclasses.replace(stored, file=dataclasses.replace(stored.file, **changes))


BITSTREAM = b"bitstream"
POINT = Progress(attempt=1, step=100, n_steps=200, rd_lambda=0.002, estimated_bpp=0.5, psnr_db=math.inf)
STORED = stored_of(planned())
CLAIM = Claim(with_file(STORED, psnr_db=math.inf), (POINT, POINT))
NAMES = (digest("a.png"), ARCHIVE, hashlib.sha256(BITSTREAM).hexdigest())


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path)


def claim_key(store: LocalStore) -> str:
    return store.objects("journal")[0].key


def test_a_claim_comes_back_as_it_was_written(store: LocalStore):
    write_claim(store, CLAIM)
    assert read_claim(store, *NAMES) == CLAIM


def test_a_claim_counts_only_with_the_bitstream_that_it_names(store: LocalStore):
    write_claim(store, CLAIM)
    assert claimed(store, *NAMES[:2]) is None
    store.put(CLAIM.stored.file.key, BITSTREAM)
    assert claimed(store, *NAMES[:2]) == CLAIM
    store.delete(CLAIM.stored.file.key)
    store.put(CLAIM.stored.file.key, b"another")
    assert claimed(store, *NAMES[:2]) is None


def test_a_claim_that_the_disk_cannot_read_or_of_such_a_file_is_as_good_as_none(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
):
    write_claim(store, CLAIM)
    store.put(CLAIM.stored.file.key, BITSTREAM)
    with monkeypatch.context() as then:
        spoil(then, store.path(CLAIM.stored.file.key))
        assert claimed(store, *NAMES[:2]) is None
    with monkeypatch.context() as then:
        spoil(then, store.path(claim_key(store)))
        assert claimed(store, *NAMES[:2]) is None
        write_claim(store, CLAIM)
        assert claimed(store, *NAMES[:2]) == CLAIM


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"stored": 1, "history": []}', b"\xff"])
def test_a_damaged_claim_is_as_good_as_none(store: LocalStore, content: bytes):
    write_claim(store, CLAIM)
    key = claim_key(store)
    store.delete(key)
    store.put(key, content)
    assert read_claim(store, *NAMES) is None


def test_a_flipped_bit_anywhere_makes_a_claim_as_good_as_none_and_the_next_replaces_it(store: LocalStore):
    write_claim(store, CLAIM)
    path = store.path(claim_key(store))
    good = path.read_bytes()
    for bit in range(0, 8 * len(good), 7):
        path.write_bytes(good[: bit // 8] + bytes([good[bit // 8] ^ 1 << bit % 8]) + good[bit // 8 + 1 :])
        assert read_claim(store, *NAMES) is None
    write_claim(store, CLAIM)
    assert read_claim(store, *NAMES) == CLAIM


def test_a_claim_of_wrong_types_or_under_a_wrong_name_is_none(store: LocalStore):
    write_claim(store, CLAIM)
    key = claim_key(store)
    good = store.get(key, max_bytes=claims.MAX_CLAIM_BYTES)
    bad = good.replace(b'"width": 16', b'"width": "wide"')
    assert bad != good
    store.delete(key)
    store.put(key, bad)
    assert read_claim(store, *NAMES) is None
    write_claim(store, Claim(stored_of(planned("b.png")), CLAIM.history))
    other = store.get(store.objects(f"journal/{digest('b.png')}")[0].key, max_bytes=1 << 20)
    store.delete(key)
    store.put(key, other)
    assert read_claim(store, *NAMES) is None


def test_forgetting_leaves_the_bitstream_and_discarding_does_not(store: LocalStore):
    for end, left in (
        (lambda store: forget(store, STORED.planned), True),
        (lambda store: discard(store, CLAIM.stored), False),
    ):
        write_claim(store, CLAIM)
        store.put(CLAIM.stored.file.key, BITSTREAM)
        end(store)
        assert store.objects("journal") == []
        assert bool(store.objects("bitstreams")) is left


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_object_stored_without_loss_is_claimed_under_its_own_suffix(store: LocalStore, suffix: str):
    key = object_key(digest("a.png"), ARCHIVE, suffix)
    claim = Claim(with_file(STORED, key=key), CLAIM.history)
    write_claim(store, claim)
    assert key in claimed_keys(store)
    store.put(key, BITSTREAM)
    assert claimed(store, *NAMES[:2]) == claim
    discard(store, claim.stored)
    assert store.objects("bitstreams") == store.objects("journal") == []


def test_a_claim_for_a_key_of_another_image_is_none(store: LocalStore):
    key = object_key(digest("b.png"), ARCHIVE, ".inr")
    write_claim(store, Claim(with_file(STORED, key=key), CLAIM.history))
    assert read_claim(store, *NAMES) is None


def test_however_often_a_claim_is_taken_over_there_is_one_mark_of_it(store: LocalStore):
    """Runs that fail each night, as on a full disk, leave no more of them each time."""
    write_claim(store, CLAIM)
    marks = list[str]()
    for _ in range(3):
        claims.mark_taken(store, *NAMES[:2])
        [mark] = [found.key for found in store.objects("journal") if found.key.endswith(claims.TAKEN)]
        marks.append(mark)
    assert len(set(marks)) == 3  # the last one says when
    assert read_claim(store, *NAMES) == CLAIM
    forget(store, CLAIM.stored.planned)
    assert store.objects("journal") == []


def test_a_claim_is_needed_as_long_as_its_run_makes_or_marks_it(store: LocalStore):
    at = now()
    names = NAMES[:2]
    with Leases(store) as leases:
        assert leases.take(*names)
        assert not claims.is_needed(store, *names, at - timedelta(days=7))  # a lease alone claims nothing
    write_claim(store, CLAIM)
    assert claims.is_needed(store, *names, at - timedelta(days=7))
    os.utime(store.path(store.objects("journal")[0].key), (at.timestamp() - 8 * 86_400,) * 2)
    assert not claims.is_needed(store, *names, at - timedelta(days=7))
    claims.mark_taken(store, *names)
    assert claims.is_needed(store, *names, at - timedelta(days=7))


def test_of_several_claims_the_one_counts_whose_object_is_stored(store: LocalStore):
    for other in (b"first", b"second", b"third"):
        write_claim(store, Claim(stored_of(planned(), other), (POINT,)))
    write_claim(store, CLAIM)
    store.put(CLAIM.stored.file.key, BITSTREAM)
    assert claimed(store, *NAMES[:2]) == CLAIM
