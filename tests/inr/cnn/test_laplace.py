import numpy as np

from inr.cnn.laplace import FALLS, N_SPREADS, laplace_counts
from inr.coding.coder import information
from inr.coding.pmf import COUNT_BITS


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
