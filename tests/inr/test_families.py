"""A family is a folder and three lines: its number, its reader, its fitter."""

import numpy as np
import pytest

from inr import CodecConfig, ConfigError, decode, encode, inspect
from inr.bitstream import FAMILIES
from inr.encoder import FITTERS
from inr.families import READERS
from tests.inr.toy import ToyFitter, toy_family


def test_every_family_has_a_number_a_reader_and_a_fitter() -> None:
    assert READERS.keys() == FITTERS.keys() == set(FAMILIES.values())
    assert FAMILIES == {1: "mlp", 2: "cnn"}  # numbers on the wire: never reused, never reordered


def test_a_third_family_needs_three_lines(photograph: np.ndarray) -> None:
    config = {"model": "toy", "rd_lambda": 1e-3}
    with pytest.raises(ConfigError, match="model: expected one of mlp, cnn, found 'toy'"):
        CodecConfig(**config)
    with toy_family(ToyFitter()):
        encoded = encode(photograph, CodecConfig(**config), device="cpu")
        assert encoded.bitstream[5] == 200
        decoded = decode(encoded.bitstream)
        np.testing.assert_array_equal(decoded.pixels, encoded.pixels)
        inspected = inspect(encoded.bitstream)
        assert (inspected.model, inspected.architecture) == ("toy", {"n_columns": 10})
        assert [tensor.name for tensor in inspected.tensors] == ["colours"]
