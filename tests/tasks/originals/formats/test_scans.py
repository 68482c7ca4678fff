import io
import tracemalloc
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.originals.formats.scans import Scans, check_scans
from tests.tasks.pictures import file_of, photograph

OPTIONS: list[dict[str, Any]] = [
    *({"subsampling": each} for each in ("4:4:4", "4:2:2", "4:2:0")),
    *({"quality": each} for each in (1, 50, 100)),
    *({"restart_marker_blocks": 3}, {"restart_marker_rows": 1}, {"optimize": True}),
]


def noise(height: int, width: int) -> Image.Image:
    """Black and white alone, the most that samples may differ."""
    rng = np.random.default_rng(0)
    return Image.fromarray(255 * rng.integers(0, 2, (height, width, 3), np.uint8))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_whole_picture_is_walked_to_its_last_byte(mode: str, progressive: bool, options: dict[str, Any]):
    for picture in (photograph(75, 83), noise(41, 33), Image.new("RGB", (9, 70), "white")):
        data = file_of(picture.convert(mode), "JPEG", progressive=progressive, **options)
        assert check_scans(data) == Scans("", len(data))
        assert check_scans(data + b"more") == Scans("", len(data))


def cut_with_an_end(data: bytes, at: int) -> bytes:
    return data[:at] + b"\xff\xd9"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 3}], ids=str)
def test_a_picture_that_is_cut_but_has_an_end_marker_is_damaged(progressive: bool, options: dict[str, Any]):
    data = file_of(photograph(80, 80), "JPEG", progressive=progressive, **options)
    start = data.index(b"\xff\xda") + 14
    for at in range(start, len(data) - 3, 37):
        damaged = cut_with_an_end(data, at)
        assert check_scans(damaged).damage, at
        if not progressive:
            with Image.open(io.BytesIO(damaged)) as opened:
                opened.load()  # Pillow says nothing


@pytest.mark.parametrize("progressive", [False, True])
def test_most_pictures_with_bytes_in_their_middle_lost_are_damaged(progressive: bool):
    data = file_of(photograph(80, 80), "JPEG", progressive=progressive, quality=90)
    start, found, tried = data.index(b"\xff\xda") + 14, 0, 0
    for at in range(start, len(data) - 80, 41):
        found += bool(check_scans(data[:at] + bytes(64) + data[at + 64 :]).damage)
        tried += 1
    assert tried > 20
    assert found > 0.9 * tried


def test_a_progressive_picture_without_its_last_scans_is_damaged():
    data = file_of(photograph(80, 80), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xc4")  # each scan has tables of its own before it
    assert check_scans(cut_with_an_end(data, last)).damage.startswith("scans are missing")
    sequential = file_of(photograph(80, 80), "JPEG")
    scan = sequential.index(b"\xff\xda")
    assert check_scans(cut_with_an_end(sequential, scan)).damage == "the file ends before its picture"


def test_a_restart_marker_out_of_its_order_is_damage():
    data = file_of(photograph(80, 80), "JPEG", restart_marker_blocks=4)
    at = data.index(b"\xff\xd1")
    changed = data[:at] + b"\xff\xd4" + data[at + 2 :]
    assert check_scans(changed).damage.startswith("another marker than the next restart, ")


def test_a_file_without_its_end_marker_is_damaged():
    data = file_of(photograph(), "JPEG")
    assert check_scans(data[:-2]).damage == "the file ends before its end marker"


@pytest.mark.parametrize(
    "data", [b"\xff\xd8", b"\xff\xd8\xff\xc0\0\3", b"\xff\xd8\xff\xda\0\x03\x01\xff\xd9", b""]
)
def test_what_does_not_hold_together_is_damaged(data: bytes):
    assert check_scans(data).damage
    assert check_scans(data).end is None


@pytest.mark.parametrize("marker", [0xC3, 0xC9, 0xCA])
def test_kinds_that_are_not_looked_into_are_not_said_to_be_damaged(marker: int):
    data = file_of(photograph(), "JPEG")
    at = data.index(b"\xff\xc0") + 1
    assert check_scans(data[:at] + bytes([marker]) + data[at + 1 :]) == Scans("", None)


def test_what_claims_to_be_huge_takes_no_memory_and_is_not_looked_into():
    data = file_of(photograph(), "JPEG", progressive=True)
    at = data.index(b"\xff\xc2") + 5
    huge = data[:at] + b"\xff\xff\xff\xff" + data[at + 4 :]
    tracemalloc.start()
    assert check_scans(huge) == Scans("", None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


def test_scans_without_end_are_not_looked_into():
    data = file_of(photograph().convert("L"), "JPEG")
    scan = data[data.index(b"\xff\xda") : -2]
    assert check_scans(data[:-2] + 400 * scan + data[-2:]) == Scans("", len(data) + 400 * len(scan))
    assert check_scans(data[:-2] + 600 * scan + data[-2:]) == Scans("", None)


def test_any_damage_is_found_or_not_but_ends():
    data = file_of(photograph(40, 40), "JPEG", progressive=True, restart_marker_blocks=2)
    rng = np.random.default_rng(0)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.integers(1, 4)):
            changed[rng.integers(2, len(data))] = rng.integers(256)
        found = check_scans(bytes(changed))
        assert bool(found.damage) <= (found.end is None)
