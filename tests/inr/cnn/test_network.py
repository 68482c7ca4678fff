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
    read_side_information,
    weights_of,
    write_side_information,
)
from tests.inr.cnn.strategies import pyramids
from tests.inr.networks import bitstream_of, container_of, made_up_cnn, pyramid


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
    network = made_up_cnn(pyramid(3, 60, 50, 3, 8, 8, 1), seed=3)
    bits = sum(size.bits for size in network.sizes())
    assert 8 * len(network.sections().payload) == pytest.approx(bits, abs=64)
    sizes = inspect(bitstream_of(network)).tensors
    assert [size.name for size in sizes[-3:]] == ["level0", "level1", "level2"]
    assert sum(size.n_symbols for size in sizes) == network.n_parameters


def flat(shape: LatentPyramid, reach: int) -> CnnNetwork:
    matrices = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    return CnnNetwork(
        shape=shape,
        matrices=matrices,
        codings=[MatrixCoding(8, 0)] * len(matrices),
        levels=[np.zeros(size, np.int16) for size in shape.level_shapes],
        reaches=[reach],
    )


def test_a_level_within_its_reach_of_what_is_expected_takes_no_part() -> None:
    shape = pyramid(1, 8, 8, 1, 2, 2, 0)
    without, with_level = (len(flat(shape, reach).sections().payload) for reach in (0, 3))
    assert without < with_level


def test_side_information_out_of_range_is_refused() -> None:
    shape = pyramid(3, 8, 8, 2, 4, 4, 0)
    network = made_up_cnn(shape, seed=0)
    good = write_side_information(network.codings, network.reaches)
    assert read_side_information(shape, good) == (network.codings, network.reaches)
    for position, value, named in ((0, 2, "exponent"), (0, 16, "exponent"), (1, 56, "mean")):
        data = bytearray(good)
        data[position] = value
        with pytest.raises(InvalidField, match=f"context0 {named}"):
            read_side_information(shape, bytes(data))
    with pytest.raises(InvalidField, match="level 1 reach"):
        read_side_information(shape, good[: 2 * len(shape.matrices) + 1] + b"\x80\x08")
    with pytest.raises(InvalidField, match="expected"):
        read_side_information(shape, good + b"\0")


def test_a_matrix_that_could_overflow_is_refused() -> None:
    shape = pyramid(3, 8, 8, 2, 32, 4, 0)
    network = made_up_cnn(shape, seed=0)
    matrices = [*network.matrices]
    matrices[1] = np.full(matrices[1].shape, 1000, dtype=np.int32)
    with pytest.raises(InvalidField, match=r"context1: a row.*at most 32768, found 33000"):
        weights_of(shape, matrices, network.codings)


def test_a_latent_that_leaves_its_range_is_refused() -> None:
    shape = pyramid(1, 4, 4, 1, 2, 2, 0)
    matrices = [np.zeros(size, dtype=np.int32) for size in shape.matrices.values()]
    matrices[2][0, -1] = 2047  # the centre: 2047 / 2**3

    def read(latent: int) -> np.ndarray:
        network = CnnNetwork(
            shape=shape,
            matrices=matrices,
            codings=[MatrixCoding(3, 52)] * len(matrices),
            levels=[np.full((4, 4), latent, dtype=np.int16)],
            reaches=[1023],
        )
        return CnnNetwork.read(container_of(network)).levels[0]

    assert (read(1278) == 1278).all()
    matrices[2][0, :-1] = 2047
    matrices[1][:, -1] = 2047  # so the hidden neurons push the centre beyond
    assert (read(2047) == 2047).all()
    with pytest.raises(InvalidField, match=r"latents expected within ±2047, found 2048"):
        read(2048)
