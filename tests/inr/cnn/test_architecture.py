"""The architecture section of family `cnn`."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from inr import InvalidField, inspect
from inr.cnn.architecture import LatentPyramid
from inr.cnn.prior import N_GAINS, NO_GAIN, priors
from tests.inr.cnn.strategies import pyramids
from tests.inr.conftest import VECTORS
from tests.inr.networks import pyramid


@settings(max_examples=60, deadline=None)
@given(architecture=pyramids)
def test_what_is_written_is_read(architecture: LatentPyramid) -> None:
    size = {"width": architecture.width, "height": architecture.height}
    section = architecture.to_bytes()
    assert LatentPyramid.from_bytes(section, channels=architecture.channels, **size) == architecture


@pytest.mark.parametrize(
    ("position", "value", "named"),
    [
        (0, 0, "levels expected 1 to 9, found 0"),
        (0, 10, "levels expected 1 to 9, found 10"),
        (1, 0, "prior expected 1 to"),
        (1, len(priors()) + 1, "prior expected 1 to"),
        (2, N_GAINS, "gain expected 0 to 24, found 25"),
    ],
)
def test_fields_out_of_range_are_refused(position: int, value: int, named: str) -> None:
    data = bytearray(pyramid().to_bytes())
    data[position] = value
    with pytest.raises(InvalidField, match=named):
        LatentPyramid.from_bytes(bytes(data), channels=3, width=8, height=8)


@pytest.mark.parametrize("size", [2, 4])
def test_a_section_of_another_length_is_refused(size: int) -> None:
    data = (pyramid().to_bytes() + b"\0")[:size]
    with pytest.raises(InvalidField, match="architecture"):
        LatentPyramid.from_bytes(data, channels=3, width=8, height=8)


@pytest.mark.parametrize("number", range(1, len(priors()) + 1))
def test_a_prior_that_does_not_fit_is_refused(number: int) -> None:
    architecture = pyramid(number)
    known = architecture.prior
    for channels in range(1, 5):
        if channels in (known.channels, known.channels + 1):
            continue
        with pytest.raises(
            InvalidField, match=f"expected {known.channels} channels or one more, found {channels}"
        ):
            LatentPyramid.from_bytes(architecture.to_bytes(), channels=channels, width=8, height=8)
    if known.n_levels < 9:
        deeper = replace(architecture, n_levels=known.n_levels + 1)
        with pytest.raises(InvalidField, match=f"at most {known.n_levels} levels"):
            LatentPyramid.from_bytes(deeper.to_bytes(), channels=known.channels, width=8, height=8)


def test_grids_halve_and_sizes_add_up() -> None:
    architecture = pyramid(width=9, height=5, n_levels=5)
    assert architecture.grid_shapes == ((5, 9), (3, 5), (2, 3), (1, 2), (1, 1), (1, 1))
    assert architecture.n_parameters - architecture.n_weights == 45 + 15 + 6 + 2 + 1 + 1


def test_work_is_that_of_pixels_or_of_far_reaches_if_that_is_more() -> None:
    architecture = pyramid(width=9, height=5, n_levels=5)
    assert architecture.work([0] * 6) == architecture.work([40] * 6) == 2**11 * 45
    assert architecture.work([0, 1023, 0, 0, 700, 1]) == 2**5 * (15 * 1023 + 700 + 1)
    large = pyramid(width=2048, height=2048, n_levels=9)
    assert large.work([40] * 12) == 2**33 < large.work([48] * 12)


def test_matrices_have_the_shapes_of_the_page() -> None:
    known = priors()[0]
    w, s = known.context_neurons, known.synthesis_neurons
    matrices = pyramid(n_levels=6, more=1).matrices
    residuals = {f"residual{n}": (4, 37) for n in range(known.n_residuals)}
    assert list(matrices.items()) == [
        ("context0", (w + 2, 16)),
        ("parents", (w + 2, 34)),
        ("context1", (w, w + 1)),
        ("context2", (2, w + 1)),
        ("filters", (5, 4)),
        ("upsampling", (5, 4)),
        ("synthesis0", (s + 4, 7)),
        ("synthesis1", (4, s + 1)),
        *residuals.items(),
    ]
    alone = pyramid(n_levels=1).matrices
    assert alone.keys() == matrices.keys() - {"filters", "upsampling"}
    assert alone["parents"] == (w + 2, 1)


def test_exponents_follow_the_prior() -> None:
    added, known = pyramid(gain=NO_GAIN + 4), priors()[0]
    assert added.exponent("context0") == known.exponents["context0"]
    assert added.exponent("synthesis0") == known.exponents["synthesis0"] - 1
    assert added.fields() == {
        "channels": 3,
        "width": 8,
        "height": 8,
        "n_levels": 3,
        "prior": 1,
        "gain": NO_GAIN + 4,
    }


def test_inspection_reports_the_cost_of_a_pixel() -> None:
    inspected = inspect((VECTORS / "cnn_rgb.inr").read_bytes())
    assert inspected.model == "cnn"
    assert 900 < inspected.multiply_adds_per_pixel < 2500
    assert inspected.architecture["n_levels"] == priors()[0].n_levels
