"""Integer probability tables. No float decides a bit (FORMAT.md, section 6).

Weights are coded under a two-sided geometric law p(k) ∝ ρ^|k|, whose ρ comes from a small literal
table. A table is a list of integer counts that sum to exactly 2**COUNT_BITS; it is built from
integers alone, so every machine builds the same one.

The scale of a weight (its expected magnitude) is not sent: it follows from the magnitudes already
decoded in its column and its row, see `ScaleContext`.
"""

import numpy as np
from numpy.typing import NDArray

COUNT_BITS = 20
SCALE_BITS = 8  # scales (expected magnitudes) are integers in units of 2**-SCALE_BITS
BLOCK = 16  # columns whose scales are derived at once
COLUMN_PRIOR = 1  # weight of the tensor's mean, in rows
ROW_PRIOR = 4  # weight of the tensor's mean, in columns
N_SCALES = 56  # quarter octaves, from 1/16 to 2**13.75/16 in magnitude

# Expected magnitude a_t = 2**((t - 16) / 4), in units of 2**-8, rounded.
SCALES = np.array(
    [
        16, 19, 23, 27, 32, 38, 45, 54, 64, 76, 91, 108, 128, 152, 181, 215,
        256, 304, 362, 431, 512, 609, 724, 861, 1024, 1218, 1448, 1722, 2048, 2435, 2896, 3444,
        4096, 4871, 5793, 6889, 8192, 9742, 11585, 13777, 16384, 19484, 23170, 27554, 32768, 38968,
        46341, 55109, 65536, 77936, 92682, 110218, 131072, 155872, 185364, 220436,
    ],
    dtype=np.int64,
)  # fmt: skip

# A scale s belongs to the largest t with THRESHOLDS[t - 1] <= s: the midpoints, in octaves.
THRESHOLDS = np.array(
    [
        17, 21, 25, 29, 35, 41, 49, 59, 70, 83, 99, 117, 140, 166, 197, 235,
        279, 332, 395, 470, 558, 664, 790, 939, 1117, 1328, 1579, 1878, 2233, 2656, 3158, 3756,
        4467, 5312, 6317, 7512, 8933, 10624, 12634, 15024, 17867, 21247, 25268, 30048, 35734, 42495,
        50535, 60097, 71468, 84990, 101070, 120194, 142935, 169979, 202141,
    ],
    dtype=np.int64,
)  # fmt: skip

# ρ_t = (sqrt(1 + a_t²) - 1) / a_t, in units of 2**-16: the law whose mean magnitude is a_t.
DECAYS = (
    2046, 2432, 2891, 3435, 4080, 4844, 5748, 6814, 8068, 9536, 11244, 13217, 15471, 18012, 20830,
    23892, 27146, 30518, 33924, 37278, 40503, 43539, 46341, 48887, 51169, 53191, 54967, 56514, 57854,
    59008, 59999, 60846, 61568, 62182, 62704, 63146, 63520, 63836, 64104, 64330, 64520, 64681, 64816,
    64930, 65026, 65107, 65175, 65232, 65280, 65321, 65355, 65384, 65408, 65428, 65446, 65460,
)  # fmt: skip


def counts_of(masses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale non-negative integer masses, int64 [n], to counts that sum to exactly 2**COUNT_BITS."""
    cumulative = np.concatenate([[0], np.cumsum(masses)])
    counts: NDArray[np.int64] = np.diff((cumulative << COUNT_BITS) // cumulative[-1])
    return counts


def geometric_counts(scale_index: int, low: int, high: int) -> NDArray[np.int64]:
    """Counts of the symbols low..high under the two-sided geometric law of one scale.

    Args:
        scale_index: Index t of the scale, 0 to N_SCALES - 1.
        low: Smallest symbol.
        high: Largest symbol, at most 4096 above `low`; neither is over 2047 in magnitude.

    Returns:
        int64 [high - low + 1], all >= 0, summing to 2**COUNT_BITS.
    """
    nearest = low if low > 0 else -high if high < 0 else 0
    mass, by_distance = 1 << 28, []
    for _ in range(max(abs(low), abs(high)) - nearest + 1):
        by_distance.append(mass)
        mass = mass * DECAYS[scale_index] >> 16
    distances = np.abs(np.arange(low, high + 1, dtype=np.int64)) - nearest
    return counts_of(np.array(by_distance, dtype=np.int64)[distances])


def uniform_counts(n_symbols: int) -> NDArray[np.int64]:
    """Counts of `n_symbols` equally likely symbols: int64 [n_symbols], summing to 2**COUNT_BITS."""
    return counts_of(np.ones(n_symbols, dtype=np.int64))


class ScaleContext:
    """Derives each weight's scale from the magnitudes that precede it in its matrix.

    A matrix is coded row by row, BLOCK columns at a time. The scale of a weight is the mean
    magnitude of its column in the rows above, times how this row's earlier blocks compare with
    what their columns led one to expect; both means start from the tensor's own.

    Args:
        n_columns: Columns of the matrix.
        mean_index: Index into SCALES of the tensor's mean magnitude.
    """

    def __init__(self, n_columns: int, mean_index: int) -> None:
        self._mean = int(SCALES[mean_index])
        self._column_sums = np.zeros(n_columns, dtype=np.int64)
        self._n_rows = 0
        self._start_row()

    def _start_row(self) -> None:
        self._by_column = ((self._column_sums << SCALE_BITS) + COLUMN_PRIOR * self._mean) // (
            self._n_rows + COLUMN_PRIOR
        )
        self._row_sum = 0
        self._row_expected = 0

    def scale_indices(self, start: int) -> list[int]:
        """Indices of the scales of the block whose first column is `start`, one per column."""
        by_column = self._by_column[start : start + BLOCK]
        prior = ROW_PRIOR * self._mean
        scales = by_column * ((self._row_sum << SCALE_BITS) + prior) // (self._row_expected + prior)
        indices: list[int] = np.searchsorted(THRESHOLDS, scales, side="right").tolist()
        return indices

    def add(self, start: int, symbols: NDArray[np.int32] | NDArray[np.int16]) -> None:
        """Take note of a coded block; after a row's last block the next row begins."""
        magnitudes = np.abs(symbols.astype(np.int64))
        stop = start + len(symbols)
        self._column_sums[start:stop] += magnitudes
        self._row_sum += int(magnitudes.sum())
        self._row_expected += int(self._by_column[start:stop].sum())
        if stop == len(self._column_sums):
            self._n_rows += 1
            self._start_row()
