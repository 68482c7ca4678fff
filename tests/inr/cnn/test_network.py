"""Family `cnn` as a format: side information, weights and payload."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr import InvalidField, inspect
from inr.cnn.architecture import LatentPyramid
from inr.cnn.network import (
    CnnNetwork,
    MatrixCoding,
    largest_row_sum,
    read_side_information,
    row_sums,
    weights_of,
    write_side_information,
)
from tests.inr.cnn.strategies import pyramids
from tests.inr.networks import adding_nothing, bitstream_of, container_of, made_up_cnn, pyramid


@settings(max_examples=40, deadline=None)
@given(shape=pyramids, seed=st.integers(0, 1000), spread=st.sampled_from([0.1, 2.0, 80.0]))
def test_what_is_written_is_read(shape: LatentPyramid, seed: int, spread: float) -> None:
    network = made_up_cnn(shape, seed=seed, spread=spread)
    read = CnnNetwork.read(container_of(network))
    assert read.shape == shape
    assert (read.codings, read.reaches) == (network.codings, network.reaches)
    for written, found in zip(network.symbols, read.symbols, strict=True):
        assert found.dtype == written.dtype
        np.testing.assert_array_equal(written, found)
    np.testing.assert_array_equal(read.render(), network.render())


def test_a_file_takes_as_many_bits_as_its_tables_say() -> None:
    network = made_up_cnn(pyramid(width=60, height=50, n_levels=5), seed=3)
    bits = sum(size.bits for size in network.sizes())
    assert 8 * len(network.sections().payload) == pytest.approx(bits, abs=64)
    sizes = inspect(bitstream_of(network)).tensors
    assert [size.name for size in sizes[-6:]] == [*(f"level{n}" for n in range(5)), "hyper4"]
    assert sum(size.n_symbols for size in sizes) == network.n_parameters
    none_added = adding_nothing(pyramid(n_levels=2)).sizes()
    assert [(size.step, size.bits) for size in none_added if size.part == "network"] == [(None, 0)] * (
        len(none_added) - 2
    )


def test_a_grid_without_reach_takes_no_part() -> None:
    shape = pyramid(n_levels=2)
    payloads = {
        reaches: adding_nothing(shape, reaches).sections().payload
        for reaches in ((0, 0), (3, 0), (0, 3), (3, 3))
    }
    assert payloads[0, 0] == b""
    assert len(set(payloads.values())) == 4


def test_side_information_out_of_range_is_refused() -> None:
    shape = pyramid(n_levels=5)
    network = made_up_cnn(shape, seed=0)
    good = write_side_information(network.codings, network.reaches)
    assert read_side_information(shape, good) == (network.codings, network.reaches)
    most = shape.exponent("context0")
    for position, value, named in ((0, most + 1, f"exponent expected 0 to {most}"), (1, 56, "mean")):
        data = bytearray(good)
        data[0], data[position] = 3, value
        with pytest.raises(InvalidField, match=f"context0 {named}"):
            read_side_information(shape, bytes(data))
    with pytest.raises(InvalidField, match="context0 mean expected 0 to 0, found 1"):
        read_side_information(shape, b"\0\1" + good[2:])
    start = 2 * len(shape.matrices)
    with pytest.raises(InvalidField, match="level1 reach expected 0 to 1023, found 1024"):
        read_side_information(shape, good[:start] + b"\0\x80\x08")
    with pytest.raises(InvalidField, match="ends before hyper4 reach"):
        read_side_information(shape, good[:start] + bytes(5))
    with pytest.raises(InvalidField, match="expected"):
        read_side_information(shape, good + b"\0")


@pytest.mark.parametrize("name", pyramid().matrices)
def test_a_matrix_that_could_overflow_is_refused(name: str) -> None:
    """Symbols in the first row, with which its sum is the largest allowed, and then one more."""
    shape = pyramid()
    names, known = list(shape.matrices), shape.known(name)
    symbols = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    codings = [MatrixCoding(shape.exponent(other), 52) for other in names]
    ours = symbols[names.index(name)]
    room = largest_row_sum(name) - int(np.atleast_2d(row_sums(shape, name, known).T).T[0, 0])
    ours[0, 0] = room if known[0, 0] >= 0 else -room
    weights = weights_of(shape, symbols, codings)
    assert row_sums(shape, name, weights[name].integers).max() == largest_row_sum(name)
    ours[0, 0] += 1 if known[0, 0] >= 0 else -1
    with pytest.raises(InvalidField, match=rf"{name}: a row.*at most {largest_row_sum(name)}, found"):
        weights_of(shape, symbols, codings)


def test_sums_of_magnitudes_are_those_that_the_arithmetic_forms() -> None:
    shape = pyramid(n_levels=2)
    first, second = (grid.columns for grid in shape.grids)
    parents = np.array([[1, -20, 300]], np.int32)
    assert (first, second) == (slice(0, 2), slice(2, 3))
    assert row_sums(shape, "parents", parents).tolist() == [[21, 300]]
    taps = np.array([[1, -20, 300, 4000]], np.int32)
    assert row_sums(shape, "filters", taps).tolist() == [8641]
    assert row_sums(shape, "upsampling", taps).tolist() == [4321]
    large = np.full((1, 40), 1 << 26, np.int32)
    assert row_sums(shape, "synthesis1", large).tolist() == [40 << 26]
