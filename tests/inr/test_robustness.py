"""Hostile bytes: a named error or a correct decode, and never much memory."""

import random
import struct
import subprocess
import sys
import zlib

import pytest

from inr import BitstreamError, Limits, decode
from inr.mlp import CoordinateMLP
from tests.inr.conftest import VECTORS
from tests.inr.networks import bitstream_of, made_up_network

NAMES = sorted(path.stem for path in VECTORS.glob("*.inr"))
SMALL = Limits(max_samples=1 << 14)


def sealed(data: bytes) -> bytes:
    data = data[:7] + struct.pack("<I", len(data) + 4) + data[11:]
    return data + struct.pack("<I", zlib.crc32(data))


def survives(data: bytes, limits: Limits = SMALL) -> bool:
    """Whether `data` decodes; a BitstreamError is the only other outcome a test lets through."""
    try:
        decoded = decode(data, limits=limits)
    except BitstreamError:
        return False
    assert decoded.pixels.size <= limits.max_samples
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_change_of_one_byte_is_noticed(name: str) -> None:
    original = (VECTORS / f"{name}.inr").read_bytes()
    data = bytearray(original)
    for position, byte in enumerate(original):
        for other in range(256):
            if other != byte:
                data[position] = other
                assert not survives(bytes(data)), (position, other)
        data[position] = byte


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_is_noticed(name: str) -> None:
    data = (VECTORS / f"{name}.inr").read_bytes()
    assert not any(survives(data[:length]) for length in range(len(data)))
    assert not survives(data + b"\0")


def generated(rng: random.Random) -> bytes:
    """Random bytes, random bodies under a valid frame, or golden files with bytes changed and a valid CRC."""
    kind = rng.randrange(4)
    body = rng.randbytes(rng.randrange(1, 120))
    if kind == 0:
        return body
    if kind == 1:
        return sealed(b"\x89INR\x01\x01" + bytes([rng.randrange(1, 5)]) + bytes(4) + body)
    golden = bytearray((VECTORS / f"{rng.choice(NAMES)}.inr").read_bytes()[:-4])
    fields = min(len(golden), 90 if kind == 2 else len(golden))
    for _ in range(rng.randrange(1, 4)):
        golden[rng.randrange(11, fields)] = rng.randrange(256)
    return sealed(bytes(golden))


@pytest.mark.parametrize("seed", range(10))
def test_generated_bytes_decode_or_are_refused(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = [survives(generated(rng)) for _ in range(1000)]
    assert any(outcomes)  # some changes leave a file that is valid, only different
    assert not all(outcomes)


def test_a_small_file_cannot_ask_for_much_memory() -> None:
    """The largest image that the default limits admit, from 60 bytes, in a process of its own."""
    network = made_up_network(CoordinateMLP(1, 1, 1, 1, 1), seed=0)
    largest = bitstream_of(network, width=65535, height=2048)
    too_large = bitstream_of(network, width=65535, height=2049)
    assert len(largest) < 1000
    program = """
import resource, sys
from inr import BitstreamError, decode
largest, too_large = (bytes.fromhex(line) for line in sys.stdin.read().split())
decode(bytes.fromhex(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert decode(largest).pixels.size == 65535 * 2048
try:
    decode(too_large)
except BitstreamError as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, error)
"""
    warm_up = bitstream_of(network, width=8, height=8).hex()
    done = subprocess.run(
        [sys.executable, "-c", program, warm_up],
        input=f"{largest.hex()}\n{too_large.hex()}",
        capture_output=True,
        text=True,
        check=True,
    )
    mebibytes, message = done.stdout.split(maxsplit=1)
    assert int(mebibytes) <= 256
    assert "samples" in message
