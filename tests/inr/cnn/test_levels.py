import numpy as np
import pytest

from inr.cnn.arithmetic import N_SPREADS
from inr.cnn.context import ContextModel
from inr.cnn.grids import coding_order
from inr.cnn.levels import FALLS, laplace_counts, level_bits, level_laws, read_level, write_level
from inr.cnn.network import context_model
from inr.coding.coder import PayloadReader, PayloadWriter, information
from inr.coding.pmf import COUNT_BITS
from inr.errors import InvalidField
from tests.inr.networks import made_up_cnn, pyramid

NETWORK = made_up_cnn(pyramid(2, 30, 20, 5), seed=2, spread=1.0)
CONTEXT = context_model(NETWORK.shape, NETWORK.weights)


@pytest.mark.parametrize("more", [0, 400])  # a table that is kept, and one that is not
@pytest.mark.parametrize("place", range(6))
def test_a_grid_is_read_as_it_was_written_and_takes_the_bits_of_its_tables(place: int, more: int) -> None:
    grids, reach = NETWORK.levels, NETWORK.reaches[place] + more
    writer = PayloadWriter()
    write_level(writer, CONTEXT, place, grids, reach)
    payload = writer.to_bytes()
    order = coding_order(5)
    known = [grids[n] if order.index(n) < order.index(place) else None for n in range(6)]
    reader = PayloadReader(payload)
    found = read_level(reader, CONTEXT, place, known, grids[place].shape, reach)
    reader.end()
    np.testing.assert_array_equal(found, grids[place])
    assert 8 * len(payload) == pytest.approx(level_bits(CONTEXT, place, grids, reach), abs=64)


def test_a_grid_without_reach_takes_no_bits() -> None:
    reader = PayloadReader(b"")
    latents = read_level(reader, CONTEXT, 5, [None] * 6, (4, 4), 0)
    reader.end()
    grids = [*NETWORK.levels[:5], latents]
    assert level_bits(CONTEXT, 5, grids, 0) == 0
    writer = PayloadWriter()
    write_level(writer, CONTEXT, 5, grids, 0)
    assert writer.to_bytes() == b""


def test_a_law_depends_on_parents_and_on_nothing_that_is_decoded_later() -> None:
    changed = [latents.copy() for latents in NETWORK.levels]
    changed[0] += 1
    changed[1] += 1
    before, after = (level_laws(CONTEXT, 2, grids)[0] for grids in (NETWORK.levels, changed))
    np.testing.assert_array_equal(before, after)
    changed[3] += 5
    assert (level_laws(CONTEXT, 2, changed)[0] != before).any()


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_latent_that_leaves_its_range_is_refused(sign: int) -> None:
    """Hidden neurons as large as they can be push the centre to the end of the range."""
    weights = (
        np.zeros((4, 16), np.int32),
        np.array([[32767], [0], [0], [0]], np.int32),
        np.array([[32767, 0, 0], [0, 0, 0]], np.int32),
        np.array([[sign * 32767, 0, 0], [0, 0, 0]], np.int32),
    )
    context = ContextModel(1, weights, (7, 7, 3, 3))

    def read(latent: int) -> np.ndarray:
        writer = PayloadWriter()
        write_level(writer, context, 0, [np.full((4, 4), latent, np.int16)], 1023)
        return read_level(PayloadReader(writer.to_bytes()), context, 0, [None], (4, 4), 1023)

    assert (read(sign * 2047) == sign * 2047).all()
    assert (read(sign * 1024) == sign * 1024).all()
    for latent in (2048, 2047 + 1023):
        with pytest.raises(InvalidField, match=f"latents expected within ±2047, found {latent}"):
            read(sign * latent)


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
        edges = _laplace(np.append(symbols - 0.5, 30.5) - centre, spread)
        expected = np.diff(edges) / (edges[-1] - edges[0])
        np.testing.assert_allclose(counts[index, part] / 2**COUNT_BITS, expected, atol=4e-6)
    assert np.isfinite(information(counts)).all()


def _laplace(x: np.ndarray, spread: float) -> np.ndarray:
    return np.where(
        x < 0, 0.5 * np.exp(np.minimum(x, 0) / spread), 1 - 0.5 * np.exp(-np.maximum(x, 0) / spread)
    )
