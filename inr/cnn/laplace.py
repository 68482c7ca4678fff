"""Integer tables of Laplace laws, under which family `cnn` codes its latents (FORMAT.md, section 10).

No float decides a bit: a table is a list of integer counts that sum to exactly 2**COUNT_BITS.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from inr.coding.pmf import COUNT_BITS

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
