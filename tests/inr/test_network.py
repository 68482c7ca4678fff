import hashlib

import numpy as np

from inr.network import digest_pixels, digest_symbols


def test_symbols_are_digested_as_little_endian_int32_in_wire_order() -> None:
    first, second = np.array([[1, -2], [3, 4]], np.int32), np.array([-5], np.int16)
    written = b"".join(value.to_bytes(4, "little", signed=True) for value in (1, -2, 3, 4, -5))
    assert digest_symbols([first, second]) == hashlib.sha256(written).hexdigest()
    assert digest_symbols(()) == hashlib.sha256(b"").hexdigest()


def test_pixels_are_digested_row_by_row_with_channels_interleaved() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    expected = hashlib.sha256(bytes(range(24))).hexdigest()
    assert digest_pixels(pixels) == expected
    assert digest_pixels(np.asfortranarray(pixels)) == expected
    assert digest_pixels(pixels[::-1]) != expected
