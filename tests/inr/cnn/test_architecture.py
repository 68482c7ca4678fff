"""The architecture section of family `cnn`."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from inr import InvalidField, inspect
from inr.cnn.architecture import LatentPyramid
from inr.cnn.prior import N_GAINS, NO_GAIN, priors
from tests.inr.cnn.strategies import pyramids
from tests.inr.conftest import VECTORS
from tests.inr.networks import pyramid, with_prior


@settings(max_examples=60, deadline=None)
@given(architecture=pyramids)
def test_what_is_written_is_read(architecture: LatentPyramid) -> None:
    size = {"width": architecture.width, "height": architecture.height}
    section = architecture.to_bytes()
    assert LatentPyramid.from_bytes(section, channels=architecture.channels, **size) == architecture


@pytest.mark.parametrize(
    ("position", "value", "named"),
    [
        (0, 0, "levels"),
        (0, 9, "levels"),
        (1, 1, "context neurons"),
        (1, 33, "context neurons"),
        (2, 65, "synthesis neurons"),
        (3, 3, "residual"),
    ],
)
def test_fields_out_of_range_are_refused(position: int, value: int, named: str) -> None:
    data = bytearray(pyramid(3, 8, 8, 3, 4, 4, 1).to_bytes())
    data[position] = value
    with pytest.raises(InvalidField, match=named):
        LatentPyramid.from_bytes(bytes(data), channels=3, width=8, height=8)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gain": 25}, "gain expected 0 to 24, found 25"),
        ({"context_neurons": 15}, r"prior 1: expected at most 7 levels and neurons \(16, 40, 2\)"),
        ({"n_levels": 8}, "found 8 and"),
        ({"channels": 1}, "prior 1: expected 3 channels or one more, found 1"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(changes: dict[str, int], named: str) -> None:
    architecture = replace(with_prior(1), **changes)
    with pytest.raises(InvalidField, match=named):
        LatentPyramid.from_bytes(architecture.to_bytes(), channels=architecture.channels, width=8, height=8)


@pytest.mark.parametrize("number", [0, len(priors()) + 1])
def test_a_prior_that_nobody_knows_is_refused(number: int) -> None:
    data = bytearray(with_prior(1).to_bytes())
    data[4] = number
    with pytest.raises(InvalidField, match="prior expected 1 to"):
        LatentPyramid.from_bytes(bytes(data), channels=3, width=8, height=8)


def test_an_image_too_large_for_the_family_is_refused() -> None:
    section = pyramid(3, 8192, 4096, 8, 32, 64, 2).to_bytes()
    assert LatentPyramid.from_bytes(section, channels=3, width=8192, height=4096).n_levels == 8
    with pytest.raises(InvalidField, match="pixels"):
        LatentPyramid.from_bytes(section, channels=3, width=8192, height=4097)


def test_levels_halve_and_sizes_add_up() -> None:
    architecture = pyramid(3, 9, 5, 4, 4, 6, 1)
    assert architecture.level_shapes == ((5, 9), (3, 5), (2, 3), (1, 2))
    assert architecture.n_parameters - architecture.n_weights == 45 + 15 + 6 + 2
    assert list(architecture.matrices) == [
        *("context0", "context1", "context2", "upsampling", "synthesis0", "synthesis1", "residual0"),
    ]
    assert "upsampling" not in pyramid(3, 9, 5, 1, 4, 6, 0).matrices


def test_exponents_follow_the_prior() -> None:
    alone = pyramid(3, 8, 8, 3, 4, 4, 1)
    assert alone.exponent_range("context0") == (3, 15)
    assert alone.known("context0") is None
    added = with_prior(1, gain=NO_GAIN + 4)
    known = priors()[0]
    assert added.exponent_range("synthesis0") == (0, known.exponents["synthesis0"] - 1)
    assert added.fields()["prior"] == 1
    assert alone.fields()["prior"] == 0
    assert added.fields()["gain"] < N_GAINS


def test_inspection_reports_the_cost_of_a_pixel() -> None:
    inspected = inspect((VECTORS / "cnn_rgb.inr").read_bytes())
    assert inspected.model == "cnn"
    assert 700 < inspected.multiply_adds_per_pixel < 1500
    assert inspected.architecture["n_levels"] == 7
