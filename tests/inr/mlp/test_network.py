import numpy as np
import pytest

from inr.errors import InvalidField
from inr.mlp.network import MlpNetwork, read_side_information, write_side_information
from tests.inr.networks import container_of, made_up_mlp, mlp


def test_what_is_written_is_read() -> None:
    network = made_up_mlp(mlp(3, 24, 3, 6, 2), seed=4, width=20, height=10)
    read = MlpNetwork.read(container_of(network))
    assert read.shape == network.shape
    assert (read.step_indices, read.codings) == (network.step_indices, network.codings)
    for written, found in zip(network.symbols, read.symbols, strict=True):
        np.testing.assert_array_equal(written, found)
    np.testing.assert_array_equal(read.render(), network.render())
    assert sum(size.n_symbols for size in read.sizes()) == read.n_parameters
    assert read.architecture["n_neurons"] == 24


def test_side_information_round_trips_and_is_small() -> None:
    network = made_up_mlp(mlp(3, 56, 6, 16, 2), seed=2, width=8, height=8)
    data = write_side_information(network.shape, network.step_indices, network.codings)
    assert read_side_information(network.shape, data) == (network.step_indices, network.codings)
    assert len(data) < 80


@pytest.mark.parametrize(
    ("position", "value", "field"), [(0, 128, "sine0.weight step"), (1, 56, "sine0.weight mean")]
)
def test_side_information_out_of_range_is_refused(position: int, value: int, field: str) -> None:
    network = made_up_mlp(mlp(1, 2, 1, 1, 1), seed=2, width=4, height=4)
    data = bytearray(write_side_information(network.shape, network.step_indices, network.codings))
    data[position] = value
    with pytest.raises(InvalidField, match=field):
        read_side_information(network.shape, bytes(data))
