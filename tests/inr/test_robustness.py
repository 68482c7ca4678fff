"""Hostile bytes: a named error or a correct decode, and never much memory."""

import dataclasses
import itertools
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable

import pytest

from inr import BitstreamError, Limits, decode
from inr.bitstream import MAX_PIXELS, pack, unpack, varint
from inr.cnn.architecture import WORK_PER_PIXEL, LatentPyramid
from inr.cnn.arithmetic import MAX_REACH
from inr.cnn.prior import priors
from tests.inr.conftest import VECTORS
from tests.inr.networks import adding_nothing, container_of, made_up_mlp, mlp, pyramid
from tests.vectors.forging.raw import MATRIX, OFFSET, PHASE, mlp_file
from tests.vectors.forging.weights import reaching
from tests.vectors.make import FITTED, MADE_UP

PLANES = ("planes_grey", "planes_constant", "cnn_planes_grey_opaque")
NAMES = sorted([*FITTED, *MADE_UP, *PLANES])  # other forged ones are no other to this, and would take long
SMALL = Limits(max_samples=1 << 14)


def sealed(data: bytes) -> bytes:
    data = data[:8] + struct.pack("<I", len(data) + 4) + data[12:]
    return data + struct.pack("<I", zlib.crc32(data))


def survives(data: bytes, limits: Limits = SMALL) -> bool:
    """Return True if `data` decodes; a BitstreamError is the only other outcome a test lets through."""
    try:
        decoded = decode(data, limits=limits)
    except BitstreamError:
        return False
    assert decoded.pixels.size <= limits.max_samples
    return True


@pytest.mark.parametrize("name", NAMES)
def test_every_change_of_one_byte_is_noticed(name: str) -> None:
    original = (VECTORS / f"{name}.inr").read_bytes()
    assert survives(original, Limits())
    data = bytearray(original)
    for position, byte in enumerate(original):
        for change in range(1, 256):
            data[position] = byte ^ change
            assert not survives(bytes(data), Limits()), (position, change)
        data[position] = byte


@pytest.mark.parametrize("name", NAMES)
def test_every_truncation_is_noticed(name: str) -> None:
    data = (VECTORS / f"{name}.inr").read_bytes()
    assert survives(data, Limits())
    assert not any(survives(data[:length], Limits()) for length in range(len(data)))
    assert not survives(data + b"\0", Limits())


def generated(rng: random.Random) -> bytes:
    """Random bytes, random bodies under a valid frame, or golden files with bytes changed and a valid CRC."""
    kind = rng.randrange(4)
    body = rng.randbytes(rng.randrange(1, 120))
    if kind == 0:
        return body
    if kind == 1:
        channels = rng.randrange(1, 5)
        described = (rng.randrange(1, 3), channels, rng.choice((0, rng.randrange(1 << channels), 16)))
        return sealed(b"\x89INR\x01" + bytes(described) + bytes(4) + body)
    golden = bytearray((VECTORS / f"{rng.choice(NAMES)}.inr").read_bytes()[:-4])
    fields = min(len(golden), 90 if kind == 2 else len(golden))
    for _ in range(rng.randrange(1, 4)):
        golden[rng.randrange(12, fields)] = rng.randrange(256)
    return sealed(bytes(golden))


@pytest.mark.parametrize("seed", range(10))
def test_generated_bytes_decode_or_are_refused(seed: int) -> None:
    rng = random.Random(seed)
    outcomes = [survives(generated(rng)) for _ in range(1000)]
    assert any(outcomes)  # some changes leave a file that is valid, only different
    assert not all(outcomes)


@pytest.mark.parametrize("name", NAMES)
def test_no_word_can_be_hidden_in_a_payload(name: str) -> None:
    """Words after those that the symbols take, fewer words, or other bits in the last ones."""
    container = unpack((VECTORS / f"{name}.inr").read_bytes())
    payload, digest = container.payload, decode(pack(container)).symbols_digest
    others = [payload + word for word in (bytes(4), b"\xff" * 4, bytes(400))]
    others += [payload[:-4]] if payload else []
    for other in others:
        assert not survives(pack(dataclasses.replace(container, payload=other)), Limits())
    for bit in range(0, 32 * bool(payload), 5):
        changed = bytearray(payload)
        changed[len(payload) - 4 + bit // 8] ^= 1 << bit % 8
        altered = pack(dataclasses.replace(container, payload=bytes(changed)))
        if survives(altered, Limits()):  # then it means something
            assert decode(altered).symbols_digest != digest


def _largest_mlp() -> tuple[bytes, bytes]:
    network = made_up_mlp(mlp(1, 1, 1, 1, 1), seed=0, width=4, height=4)
    rows = MAX_PIXELS // 65535
    return tuple(pack(container_of(network, width=65535, height=height)) for height in (rows, rows + 1))


def _deepest_mlp() -> tuple[bytes, bytes]:
    """The largest network, of weights that take no room, with as many rows as it may have and one more."""
    tensors = (MATRIX + PHASE) * 16 + MATRIX + OFFSET

    def made(rows: int) -> bytes:
        return mlp_file(varint(512) + bytes([16, 1, 1]), tensors, width=varint(256), height=varint(rows))

    rows = 32 * (2**33 + 2**24 * len(made(128))) // (256 * (15 * 512**2 + 512 + 64 * 16 * 512))
    return made(rows), made(rows + 1)


def _widest_mlp() -> tuple[bytes, bytes]:
    """One layer of as many sines as there may be, whose matrix products are few."""

    def made(rows: int) -> bytes:
        wide = varint(512) + bytes([1, 1, 1])
        return mlp_file(wide, channels=4, width=varint(65535), height=varint(rows))

    rows = 32 * (2**33 + 2**24 * len(made(128))) // (65535 * (4 * 512 + 64 * 512))
    return made(rows), made(rows + 1)


def _largest_cnn() -> tuple[bytes, bytes]:
    """Latents that are what is expected, and images of as many rows as they may have and one more."""
    number = next(known.number for known in priors() if known.channels == 3)
    container = container_of(adding_nothing(pyramid(number, 1, 1, 9)), width=2048, height=2048)
    rows = (2**33 + 2**24 * len(pack(container))) // (WORK_PER_PIXEL * 2048)
    return tuple(pack(dataclasses.replace(container, height=height)) for height in (rows, rows + 1))


def _farthest_cnn() -> tuple[bytes, bytes]:
    """Latents whose tables are as long as they may be."""
    number = next(known.number for known in priors() if known.channels == 3)

    def shape(rows: int) -> LatentPyramid:
        return pyramid(number, 256, rows, 9)

    most = 2**33 + 2**24 * len(reaching(shape(900), MAX_REACH))
    rows = next(n for n in itertools.count(800) if 32 * MAX_REACH * shape(n + 1).n_latents > most)
    return reaching(shape(rows), MAX_REACH), reaching(shape(rows + 1), MAX_REACH)


@pytest.mark.parametrize(
    ("largest", "named"),
    [
        (_largest_mlp, "pixels"),
        (_deepest_mlp, "work"),
        (_widest_mlp, "work"),
        (_largest_cnn, "work"),
        (_farthest_cnn, "work"),
    ],
)
def test_a_small_file_cannot_ask_for_much_memory_or_time(
    largest: Callable[[], tuple[bytes, bytes]], named: str
) -> None:
    """The largest image that a family admits, from a small file, in a process of its own."""
    admitted, too_large = largest()
    assert len(admitted) < 5000
    program = """
import resource, sys, time
from inr import BitstreamError, decode
warm_up, admitted, too_large = (bytes.fromhex(line) for line in sys.stdin.read().split())
decode(warm_up)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.process_time()
decode(admitted)
seconds = time.process_time() - started
try:
    decode(too_large)
except BitstreamError as error:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, seconds, error)
"""
    warm_up = (VECTORS / ("cnn_rgb.inr" if largest.__name__.endswith("cnn") else "rgb.inr")).read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(data.hex() for data in (warm_up, admitted, too_large)),
        capture_output=True,
        text=True,
        check=True,
    )
    mebibytes, seconds, message = done.stdout.split(maxsplit=2)
    assert int(mebibytes) <= 256
    assert float(seconds) < 60  # a few, of a core that is not shared
    assert named in message
