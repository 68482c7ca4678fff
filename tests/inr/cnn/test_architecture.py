"""Family `cnn` as a format: its sections, its integers, and the two ways to compute them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr import InvalidField, decode, inspect
from inr.cnn import architecture as cnn
from inr.cnn import context
from inr.cnn.architecture import LatentPyramid, level_bits, level_coding, matrix_coding
from inr.cnn.prior import N_GAINS, NO_GAIN, prior, priors
from inr.coding.coder import information
from inr.coding.pmf import COUNT_BITS, FALLS, N_SPREADS, laplace_counts
from tests.inr.conftest import VECTORS
from tests.inr.networks import bitstream_of, made_up_pyramid

pyramids = st.builds(
    LatentPyramid,
    channels=st.integers(1, 4),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    n_levels=st.integers(1, 8),
    context_width=st.integers(2, 12),
    synthesis_width=st.integers(2, 12),
    n_residuals=st.integers(0, 2),
)


def with_prior(number: int, more: int, width: int, height: int, n_levels: int, gain: int) -> LatentPyramid:
    known = prior(number)
    n_levels = min(n_levels, known.n_levels)
    return LatentPyramid(known.channels + more, width, height, n_levels, *known.widths, number, gain)


pyramids = pyramids | st.builds(
    with_prior,
    number=st.integers(1, len(priors())),
    more=st.integers(0, 1),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    n_levels=st.integers(1, 8),
    gain=st.integers(0, N_GAINS - 1),
)


@settings(max_examples=40, deadline=None)
@given(architecture=pyramids, seed=st.integers(0, 1000), spread=st.sampled_from([0.1, 2.0, 80.0]))
def test_what_is_written_is_read(architecture: LatentPyramid, seed: int, spread: float) -> None:
    network = made_up_pyramid(architecture, seed=seed, spread=spread)
    size = {"width": architecture.width, "height": architecture.height}
    section = architecture.to_bytes()
    assert LatentPyramid.from_bytes(section, channels=architecture.channels, **size) == architecture
    side = architecture.codings_to_bytes(network.codings)
    assert architecture.codings_from_bytes(side) == network.codings
    decoded = decode(bitstream_of(network, **size))
    payload = architecture.write_payload(network.symbols, network.codings)
    for written, read in zip(
        network.symbols, architecture.read_payload(payload, network.codings), strict=True
    ):
        np.testing.assert_array_equal(written, read)
    assert decoded.pixels.shape == (architecture.height, architecture.width, architecture.channels)


@settings(max_examples=25, deadline=None)
@given(architecture=pyramids, seed=st.integers(0, 1000))
def test_compiled_loops_give_the_integers_that_numpy_gives(architecture: LatentPyramid, seed: int) -> None:
    network = made_up_pyramid(architecture, seed=seed)
    model, synthesis = architecture.networks(network.symbols, network.codings)
    levels = network.symbols[len(architecture.matrices) :]
    kernels = cnn.compiled_kernels()
    assert kernels is not None
    np.testing.assert_array_equal(synthesis.render(levels), synthesis.render(levels, kernels))
    for level in levels:
        seen = [_laws_of(model, level, chosen) for chosen in (None, kernels)]
        assert seen[0] == seen[1]


def _laws_of(model: context.ContextModel, level: np.ndarray, kernels: object) -> list[bytes]:
    seen = []

    def take(rows: np.ndarray, columns: np.ndarray, law: np.ndarray, whole: np.ndarray) -> np.ndarray:
        seen.append(law.tobytes() + whole.tobytes())
        return level[rows, columns]

    copy = context.walk_level(model, *level.shape, take, kernels)
    np.testing.assert_array_equal(copy, level)
    return seen


def test_extreme_weights_and_latents_stay_within_32_bits() -> None:
    """The largest sums that the limits admit, against the same in Python's integers."""
    model = context.ContextModel(
        (np.full((2, 17), 1927, np.int32), np.full((2, 3), 2047, np.int32), np.full((2, 3), -2047, np.int32)),
        (3, 3, 3),
    )
    law, whole = model.predict(np.full((16, 1), context.MAX_LATENT, dtype=np.int32))
    hidden = min(1927 * (16 * 2047 + 1) << 4, 2**15 - 1)
    hidden = min((2047 * (2 * hidden + 128) + 4) >> 3, 2**15 - 1)
    output = -2047 * (2 * hidden + 128)
    centre = max((output + 32) >> 6, -2047 * 16) + 8
    assert whole[0] == centre // 16
    assert law[0] == centre % 16  # the least spread


def test_a_level_is_coded_in_as_many_bits_as_its_tables_say() -> None:
    architecture = LatentPyramid(3, 60, 50, 3, 8, 8, 1)
    network = made_up_pyramid(architecture, seed=3)
    payload = architecture.write_payload(network.symbols, network.codings)
    bits = sum(size.bits for size in architecture.sizes(network.symbols, network.codings))
    assert 8 * len(payload) == pytest.approx(bits, abs=64)
    sizes = inspect(bitstream_of(network, width=60, height=50)).tensors
    assert [size.name for size in sizes[-3:]] == ["level0", "level1", "level2"]
    model, _ = architecture.networks(network.symbols, network.codings)
    assert level_bits(model, np.zeros((4, 4), np.int16), 0) == 0


def test_a_level_within_its_reach_of_what_is_expected_takes_no_part() -> None:
    architecture = LatentPyramid(1, 8, 8, 1, 2, 2, 0)
    shapes = architecture.matrices.values()
    symbols = [np.zeros(shape, np.int32) for shape in shapes] + [np.zeros((8, 8), np.int16)]
    codings = [matrix_coding(8, 0)] * len(shapes) + [level_coding(0)]
    with_level = architecture.write_payload(symbols, [*codings[:-1], level_coding(3)])
    assert len(architecture.write_payload(symbols, codings)) < len(with_level)


@pytest.mark.parametrize(
    ("position", "value", "told"),
    [
        (0, 0, "levels"),
        (0, 9, "levels"),
        (1, 1, "width"),
        (1, 33, "width"),
        (2, 65, "synthesis"),
        (3, 3, "residual"),
    ],
)
def test_fields_out_of_range_are_refused(position: int, value: int, told: str) -> None:
    data = bytearray(LatentPyramid(3, 8, 8, 3, 4, 4, 1).to_bytes())
    data[position] = value
    with pytest.raises(InvalidField, match=told):
        LatentPyramid.from_bytes(bytes(data), channels=3, width=8, height=8)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prior": len(priors()) + 1}, "prior expected 1 to"),
        ({"gain": 25}, "gain expected 0 to 24, found 25"),
        ({"context_width": 15}, r"prior 1: expected at most 7 levels and widths \(16, 40, 2\)"),
        ({"n_levels": 8}, "found 8 and"),
        ({"channels": 1}, "prior 1: expected 3 channels or one more, found 1"),
    ],
)
def test_a_prior_that_does_not_fit_is_refused(changes: dict[str, int], told: str) -> None:
    architecture = replace(with_prior(1, 0, 8, 8, 3, NO_GAIN), **changes)
    with pytest.raises(InvalidField, match=told):
        LatentPyramid.from_bytes(architecture.to_bytes(), channels=architecture.channels, width=8, height=8)


def test_a_file_that_adds_nothing_to_its_prior_has_its_networks() -> None:
    architecture = with_prior(1, 1, 8, 8, 3, NO_GAIN + 6)
    symbols = [np.zeros(shape, np.int32) for shape in architecture.matrices.values()]
    context, synthesis = architecture.networks(symbols, [matrix_coding(0, 0)] * len(symbols))
    known = prior(1)
    np.testing.assert_array_equal(context.weights[1], known.matrices["context1"])
    assert context.exponents[1] == known.exponents["context1"]
    np.testing.assert_array_equal(synthesis.filters, known.matrices["upsampling"][:2])
    before = known.matrices["synthesis0"] * 2.0 ** -known.exponents["synthesis0"]
    after = synthesis.first * 2.0 ** -synthesis.exponents[1]
    unit = 2.0 ** -synthesis.exponents[1]
    np.testing.assert_allclose(after[:, :3], before[:, :3] * 2**1.5, rtol=2e-3, atol=unit)
    np.testing.assert_allclose(after[:, 3], before[:, -1], atol=unit)
    np.testing.assert_array_equal(synthesis.second[:3], known.matrices["synthesis1"])
    residual = synthesis.residuals[0]
    assert residual.shape == (4, 37)
    np.testing.assert_array_equal(residual[:3, :27], known.matrices["residual0"][:, :27])
    assert not residual[3].any()
    assert not residual[:, 27:36].any()


def test_side_information_out_of_range_is_refused() -> None:
    architecture = LatentPyramid(3, 8, 8, 2, 4, 4, 0)
    network = made_up_pyramid(architecture, seed=0)
    good = architecture.codings_to_bytes(network.codings)
    for position, value, told in ((0, 2, "exponent"), (0, 16, "exponent"), (1, 56, "mean")):
        data = bytearray(good)
        data[position] = value
        with pytest.raises(InvalidField, match=f"context0 {told}"):
            architecture.codings_from_bytes(bytes(data))
    with pytest.raises(InvalidField, match="level 1 reach"):
        architecture.codings_from_bytes(good[: 2 * len(architecture.matrices) + 1] + b"\x80\x08")
    with pytest.raises(InvalidField, match="expected"):
        architecture.codings_from_bytes(good + b"\0")


def test_a_matrix_that_could_overflow_is_refused() -> None:
    architecture = LatentPyramid(3, 8, 8, 2, 32, 4, 0)
    network = made_up_pyramid(architecture, seed=0)
    symbols = [*network.symbols]
    symbols[1] = np.full(symbols[1].shape, 1000, dtype=np.int32)
    with pytest.raises(InvalidField, match=r"context1: a row.*at most 32768, found 33000"):
        architecture.networks(symbols, network.codings)


def test_a_latent_that_leaves_its_range_is_refused() -> None:
    architecture = LatentPyramid(1, 4, 4, 1, 2, 2, 0)
    matrices = [np.zeros(shape, dtype=np.int32) for shape in architecture.matrices.values()]
    matrices[2][0, -1] = 2047  # the centre: 2047 / 2**3
    codings = [matrix_coding(3, 52)] * len(matrices) + [level_coding(1023)]

    def read(latent: int) -> np.ndarray:
        latents = np.full((4, 4), latent, dtype=np.int16)
        return architecture.read_payload(architecture.write_payload([*matrices, latents], codings), codings)[
            -1
        ]

    assert (read(1278) == 1278).all()
    matrices[2][0, :-1] = 2047
    matrices[1][:, -1] = 2047  # so the hidden neurons push the centre beyond
    assert (read(2047) == 2047).all()
    with pytest.raises(InvalidField, match=r"latents expected within ±2047, found 2048"):
        read(2048)


def test_tables_are_laplace_laws() -> None:
    np.testing.assert_allclose(
        np.array(FALLS) / 2**30, np.exp(-1 / (16 * 2 ** ((np.arange(N_SPREADS) - 32) / 8))), atol=6e-10
    )
    counts = laplace_counts(30)
    assert (counts >= 0).all()
    assert (counts.sum(axis=-1) == 1 << COUNT_BITS).all()
    symbols = np.arange(-30, 31)
    for index, part in ((32, 8), (48, 3), (10, 15), (64, 0)):
        spread, centre = 2 ** ((index - 32) / 8), (part - 8) / 16
        edges = [_laplace(np.append(symbols - 0.5, 30.5) - centre, spread)]
        expected = np.diff(edges[0]) / (edges[0][-1] - edges[0][0])
        np.testing.assert_allclose(counts[index, part] / 2**COUNT_BITS, expected, atol=4e-6)
    assert np.isfinite(information(counts)).all()


def _laplace(x: np.ndarray, spread: float) -> np.ndarray:
    return np.where(
        x < 0, 0.5 * np.exp(np.minimum(x, 0) / spread), 1 - 0.5 * np.exp(-np.maximum(x, 0) / spread)
    )


def test_inspection_tells_the_cost_of_a_pixel() -> None:
    inspected = inspect((VECTORS / "cnn_rgb.inr").read_bytes())
    assert inspected.model == "cnn"
    assert 700 < inspected.multiply_adds_per_pixel < 1500
    assert inspected.architecture["n_levels"] == 7
