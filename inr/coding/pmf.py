"""Integer probability tables. No float decides a bit (FORMAT.md, section 6).

Weights are coded under a two-sided geometric law p(k) ∝ ρ^|k|, whose ρ comes from a small literal
table. A table is a list of integer counts that sum to exactly 2**COUNT_BITS; it is built from
integers alone, so every machine builds the same one.

The scale of a weight (its expected magnitude) is not sent: it follows from the magnitudes already
decoded in its column and its row, see `ScaleContext`.
"""

from functools import cache

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


def _counts(masses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale non-negative integer masses to counts that sum to exactly 2**COUNT_BITS."""
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
    return _counts(np.array(by_distance, dtype=np.int64)[distances])


def uniform_counts(n_symbols: int) -> NDArray[np.int64]:
    """Counts of `n_symbols` equally likely symbols: int64 [n_symbols], summing to 2**COUNT_BITS."""
    return _counts(np.ones(n_symbols, dtype=np.int64))


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


MAX_REACH = 1023  # largest distance of a latent from the integer nearest to its law's centre
CENTRE_BITS = 4  # centres of Laplace laws are integers in units of 2**-CENTRE_BITS
N_SPREADS = 81  # eighth octaves, from 2**-4 to 2**6 in symbols

# exp(-1 / (16 b)) for the spread b = 2**((t - 32) / 8), in units of 2**-30: the fall of a Laplace
# density over a sixteenth of a symbol.
FALLS = (
    395007542, 429190474, 463130302, 496607237, 529428476, 561428867, 592470630, 622442337,
    651257337, 678851797, 705182512, 730224596, 753969162, 776421055, 797596699, 817522092,
    836230973, 853763180, 870163178, 885478791, 899760092, 913058465, 925425813, 936913903,
    947573834, 957455604, 966607779, 975077234, 982908970, 990145980, 996829173, 1002997330,
    1008687096, 1013932999, 1018767490, 1023220997, 1027321989, 1031097062, 1034571010, 1037766921,
    1040706261, 1043408965, 1045893524, 1048177074, 1050275481, 1052203421, 1053974460, 1055601130,
    1057095000, 1058466743, 1059726201, 1060882446, 1061943836, 1062918069, 1063812229, 1064632840,
    1065385899, 1066076925, 1066710993, 1067292768, 1067826536, 1068316239, 1068765495, 1069177631,
    1069555701, 1069902511, 1070220635, 1070512440, 1070780095, 1071025596, 1071250770, 1071457297,
    1071646719, 1071820448, 1071979784, 1072125916, 1072259937, 1072382850, 1072495574, 1072598952,
    1072693760,
)  # fmt: skip


@cache
def _laplace_tails() -> NDArray[np.int64]:
    """Mass beyond so many sixteenths of a symbol on one side: [spreads, sixteenths], half the law 2**30."""
    falls, tail = np.array(FALLS, dtype=np.int64), np.full(N_SPREADS, 1 << 30, dtype=np.int64)
    tails = np.empty((N_SPREADS, (MAX_REACH + 1 << CENTRE_BITS) + 1), dtype=np.int64)
    for parts in range(tails.shape[1]):
        tails[:, parts] = tail
        tail = tail * falls >> 30
    return tails


def laplace_counts(reach: int) -> NDArray[np.int64]:
    """Counts of the symbols -reach..reach under Laplace laws of every spread and every centre near 0.

    A symbol's mass is the law's integral from half a symbol below it to half a symbol above.

    Args:
        reach: Largest magnitude of a symbol, 1 to 1023.

    Returns:
        int64 [N_SPREADS, 2**CENTRE_BITS, 2 · reach + 1], each row summing to 2**COUNT_BITS. Centre f
        is (f - 2**(CENTRE_BITS - 1)) · 2**-CENTRE_BITS.
    """
    n_parts, beyond = 1 << CENTRE_BITS, _laplace_tails()
    symbols = np.arange(-reach, reach + 1)
    counts = np.empty((N_SPREADS, n_parts, 2 * reach + 1), dtype=np.int64)
    for centre in range(n_parts):
        low = n_parts * symbols - n_parts // 2 - (centre - n_parts // 2)
        high = low + n_parts
        below = np.where(low < 0, beyond[:, np.abs(low)], (1 << 31) - beyond[:, np.abs(low)])
        up_to = np.where(high < 0, beyond[:, np.abs(high)], (1 << 31) - beyond[:, np.abs(high)])
        edges = np.concatenate([np.zeros((N_SPREADS, 1), np.int64), np.cumsum(up_to - below, axis=1)], axis=1)
        counts[:, centre] = np.diff((edges << COUNT_BITS) // edges[:, -1:], axis=1)
    return counts
