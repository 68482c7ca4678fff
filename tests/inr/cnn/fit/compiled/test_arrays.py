import numpy as np
import pytest
import torch

from inr.cnn.fit.compiled.arrays import Floats, empty, joined, padded, split, up_to, zeros


@pytest.mark.parametrize("shape", [(), (3,), (2, 5), (4, 1, 7)])
def test_an_array_begins_with_a_line_of_the_cache_well_behind_what_may_lie_before_it(
    shape: tuple[int, ...],
) -> None:
    for array in (zeros(*shape), empty(*shape)):
        assert array.shape == shape
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.ctypes.data % 64 == 0
        assert isinstance(array.base, np.ndarray)
        assert array.ctypes.data - array.base.ctypes.data >= 1024
        assert array.ctypes.data + array.nbytes <= array.base.ctypes.data + array.base.nbytes
    assert not zeros(*shape).any()


def test_a_matrix_gets_zeros_behind_up_to_multiples() -> None:
    matrix: Floats = np.arange(1, 11, dtype=np.float32).reshape(2, 5)
    found = padded(matrix, rows=4, columns=3)
    assert found.shape == (4, 6)
    np.testing.assert_array_equal(found[:2, :5], matrix)
    assert found.sum() == matrix.sum()
    assert [up_to(n, 4) for n in (0, 1, 4, 5)] == [0, 4, 4, 8]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 1), (4, 4)])
def test_a_matrix_is_split_and_joined_again(rows: int, columns: int) -> None:
    matrix = torch.arange(21.0).reshape(3, 7)
    weight, constants = split(matrix, rows, columns)
    assert weight.shape == (up_to(3, rows), up_to(6, columns))
    assert constants.shape == (up_to(3, rows),)
    np.testing.assert_array_equal(constants[:3], [6, 13, 20])
    assert weight.sum() + constants.sum() == float(matrix.sum())
    assert torch.equal(joined(weight, constants, matrix), matrix)
