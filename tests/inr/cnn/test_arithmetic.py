import numpy as np
import pytest

from inr.cnn.arithmetic import NEIGHBOURS, PAD, SLOPE, shift_rounded


@pytest.mark.parametrize(
    ("value", "bits", "expected"), [(5, 1, 3), (-5, 1, -2), (4, 3, 1), (3, 3, 0), (3, 0, 3), (3, -2, 12)]
)
def test_shifts_round_halves_up(value: int, bits: int, expected: int) -> None:
    assert shift_rounded(np.array([value], np.int32), bits).tolist() == [expected]


def test_neighbours_come_before_a_latent_and_within_the_padding() -> None:
    assert len(set(NEIGHBOURS)) == 16
    for row, column in NEIGHBOURS:
        assert column + SLOPE * row < 0  # an earlier front
        assert -PAD <= row <= 0
        assert abs(column) <= PAD
