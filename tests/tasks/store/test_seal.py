import hashlib

import pytest

from tasks.store.seal import BLANK, is_intact, sealed

FILE = b'{"value": 1, "sha256": "' + BLANK + b'"}'


def digest_in(data: bytes) -> bytes:
    return data.split(b'"')[-2]


def test_a_sealed_file_holds_the_digest_of_itself_with_a_blank():
    data = sealed(FILE)
    assert len(data) == len(FILE)
    assert digest_in(data) == hashlib.sha256(FILE).hexdigest().encode()
    assert is_intact(data, digest_in(data))


def test_every_flipped_bit_is_seen():
    data = sealed(FILE)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert not is_intact(bytes(changed), digest_in(data))
        assert not is_intact(bytes(changed), digest_in(bytes(changed)))


def test_the_last_blank_is_the_one_that_is_filled():
    data = sealed(BLANK + b" " + BLANK)
    assert data.startswith(BLANK)
    assert is_intact(data, data[-64:])


def test_what_has_no_blank_cannot_be_sealed():
    with pytest.raises(ValueError, match="not found"):
        sealed(b"no place for a digest")


@pytest.mark.parametrize("digest", [b"", b"None", b"0" * 63, b"f" * 64])
def test_what_says_no_digest_of_its_own_is_not_intact(digest: bytes):
    assert not is_intact(sealed(FILE), digest)
