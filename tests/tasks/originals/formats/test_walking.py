import numpy as np
import pytest

from tasks.originals.formats.walking import (
    BAD_CODE,
    BEYOND_BLOCK,
    BEYOND_RANGE,
    BYTES_LEFT,
    ENDS_EARLY,
    NO_RESTART,
    walk,
)


def table(**codes: int) -> np.ndarray:
    """A table of codes: bits after an underscore → symbol."""
    found = np.zeros((1, 1 << 16), np.int32)
    for bits, symbol in codes.items():
        code = bits.removeprefix("_")
        first = int(code, 2) << 16 - len(code)
        found[0, first : first + (1 << 16 - len(code))] = len(code) << 8 | symbol
    return found


# A mean that is as before: 0; one that is 1 more: 10 and a bit; no more coefficients: 0.
MEANS, OTHERS = table(_0=0, _10=1), table(_0=0x00, _10=0x01, _110=0xF1, _1110=0xF0, _11110=0x08)


def walked(bits: str, n_blocks: int = 1, interval: int = 0, most: int = 2000, after: bytes = b"\xff\xd9"):
    """What comes of blocks of one colour in a sequential scan; ones fill the last byte."""
    bits = bits.replace(" ", "")
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[n : n + 8], 2) for n in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0") + after
    limits = np.array([0, 63, 0, interval, 0], np.int64)
    blocks, colour = np.arange(n_blocks)[:, None], np.zeros(1, np.int64)
    means, unseen = np.array([(0, most)]), np.zeros((1, 64), np.uint8)
    return walk(np.frombuffer(data, np.uint8), 0, blocks, colour, MEANS, OTHERS, limits, means, unseen)


def test_blocks_are_read_to_the_bit():
    assert walked("0 0") == (1, 0, 1)
    assert walked("10 1 10 0 10 1 0", 1) == (2, 0, 1)
    assert walked("0 0" * 16, 16) == (4, 0, 16)
    assert walked("0 0" + "10 1 0" * 5, 6) == (3, 0, 6)


def test_a_byte_of_ones_has_a_zero_after_it():
    assert walked("10 1 11110" + "11111111" + "0") == (4, 0, 1)


@pytest.mark.parametrize(
    ("bits", "n_blocks", "fault"),
    [
        ("1111 1111 1111 1111 0000 0000", 1, BAD_CODE),
        ("0 1111 1000 0000 0000 0000", 1, BAD_CODE),
        ("0 0", 5, ENDS_EARLY),
        ("0 0 0000 0000 0000", 1, BYTES_LEFT),
        ("0" + "1110" * 3 + "110 1 0", 1, BEYOND_BLOCK),
    ],
)
def test_what_is_wrong_is_told(bits: str, n_blocks: int, fault: int):
    assert walked(bits, n_blocks)[1] == fault


def test_a_mean_beyond_its_range_is_told():
    assert walked("10 1 0" * 3, 3, most=3)[1] == 0
    assert walked("10 1 0" * 4, 4, most=3)[1:] == (BEYOND_RANGE, 3)
    assert walked("10 0 0" * 4, 4, most=3)[1:] == (BEYOND_RANGE, 3)


def test_restart_markers_come_in_their_order():
    assert walked("0 0", 3, 1, after=b"\xff\xd0\x3f\xff\xff\xd1\x3f\xff\xd9") == (8, 0, 3)
    assert walked("0 0", 3, 1, after=b"\xff\xd1\x3f\xff\xd0\x3f\xff\xd9")[1] == NO_RESTART
    assert walked("0 0", 3, 1)[1] == NO_RESTART
