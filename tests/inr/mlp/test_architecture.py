import pytest

from inr.errors import InvalidField
from inr.mlp.architecture import MAX_DEPTH, MAX_FREQUENCIES, MAX_NEURONS, CoordinateMLP
from tests.inr.networks import mlp


@pytest.mark.parametrize(
    "architecture",
    [mlp(3, 20, 4, 5, 2), mlp(3, MAX_NEURONS, MAX_DEPTH, MAX_FREQUENCIES, 1), mlp(3, 1, 1, 13, 4)],
)
def test_architectures_round_trip(architecture: CoordinateMLP) -> None:
    assert CoordinateMLP.from_bytes(architecture.to_bytes(), 3) == architecture


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"\x00\x01\x01\x01", "neurons"),
        (b"\x81\x04\x01\x01\x01", "neurons"),
        (b"\x08\x00\x01\x01", "depth"),
        (b"\x08\x11\x01\x01", "depth"),
        (b"\x08\x01\x00\x01", "frequencies"),
        (b"\x08\x01\x21\x01", "frequencies"),
        (b"\x08\x01\x01\x05", "spacing"),
        (b"\x08\x01\x20\x04", "highest frequency"),
        (b"\x08\x01\x01", "spacing"),
        (b"\x08\x01\x01\x01\x00", "expected 4 bytes, found 5"),
    ],
)
def test_architectures_out_of_range_are_refused(data: bytes, field: str) -> None:
    with pytest.raises(InvalidField, match=field):
        CoordinateMLP.from_bytes(data, 3)


def test_work_counts_matrix_products_and_sines() -> None:
    assert mlp(4, 512, 1, 1, 1).work(2**10) == 2**5 * (4 * 512) + 2**11 * 512
    assert mlp(1, 8, 3, 1, 1).work(1) == 53  # 136 multiply-adds and 24 sines, of 64 each, over 32, upwards


def test_pixel_centres_stay_within_the_longer_side() -> None:
    phases = mlp(1, 1, 1, 1, 1).axis_phases(3, 4)  # a quarter cycle per half side
    assert phases.tolist() == [[(-2 * 16384 // 4) % 65536], [0], [2 * 16384 // 4]]


def test_tensors_stand_in_wire_order() -> None:
    specs = mlp(3, 8, 2, 5, 1).specs
    assert [(spec.name, spec.shape) for spec in specs] == [
        ("sine0.weight", (8, 20)),
        ("sine0.phase", (8,)),
        ("sine1.weight", (8, 8)),
        ("sine1.phase", (8,)),
        ("output.weight", (3, 8)),
        ("output.offset", (3,)),
    ]
    assert [spec.is_phase for spec in specs] == [False, True, False, True, False, False]
    assert specs[1].step(5) == 1 / 20
    assert specs[0].step(0) == 2.0**-14
