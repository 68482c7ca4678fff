"""Rows of weights whose magnitudes sum to what is wanted: FORMAT.md, section 9.2, at and over the edge."""

from typing import Any

import numpy as np

from inr.bitstream import varint
from inr.cnn.architecture import LatentPyramid
from inr.cnn.network import MatrixCoding, largest_row_sum, write_side_information
from inr.coding.coder import PayloadWriter
from tests.inr.networks import coding_of, pyramid
from tests.vectors.forging.raw import colour_prior, file

Ints = np.ndarray[Any, Any]


def factors(name: str, n_columns: int) -> Ints:
    """How many times a weight counts in its row's sum."""
    return np.array([1, 2, 2, 2]) if name == "filters" else np.ones(n_columns, dtype=np.int64)


def row_of_sum(known: Ints, times: Ints, unit: int, wanted: int) -> Ints:
    """Symbols with which magnitudes sum to `wanted`, or to the least more that can be reached.

    Magnitudes go up column by column, in units; signs are chosen so that the rest comes out.
    """
    for target in range(wanted, wanted + 4 * unit):
        found = _exactly(known.astype(np.int64), times, unit, target)
        if found is not None:
            return found
    raise ValueError(f"no symbols sum to {wanted} or a little more")


def _exactly(known: Ints, times: Ints, unit: int, target: int) -> Ints | None:
    """Symbols with which the magnitudes sum to `target`, or None.

    A weight is sign · (rest + unit · m) for m from `least` to `most`; there is none where least > most.
    """
    choices, rests = [], {0: ()}  # sums of the least magnitudes: the signs that lead there
    for value, factor in zip(known.tolist(), times.tolist(), strict=True):
        signs = {}
        for sign in (1, -1):
            rest = sign * value % unit
            least = max(0, -((rest + (2047 * unit) - sign * value) // unit))
            most = (2047 * unit + sign * value - rest) // unit
            if least <= most:
                signs[sign] = (rest, least, most)
        choices.append(signs)
        rests = {
            total + factor * (rest + unit * least): (*before, sign)
            for total, before in rests.items()
            for sign, (rest, least, _) in signs.items()
        }
    for total, signs in rests.items():
        left = target - total
        if left < 0 or left % unit:
            continue
        symbols, left = np.zeros(len(known), dtype=np.int64), left // unit
        for j in sorted(range(len(known)), key=lambda j: -times[j]):
            rest, least, most = choices[j][signs[j]]
            more = min(left // int(times[j]), most - least)
            symbols[j] = (signs[j] * (rest + unit * (least + more)) - known[j]) // unit
            left -= more * int(times[j])
        if left == 0 and np.abs(symbols).max() <= 2047:
            return symbols.astype(np.int32)
    return None


def matrix_of_sum(shape: LatentPyramid, name: str, columns: slice, wanted: int) -> tuple[Ints, int]:
    """Symbols of a matrix of which a row sums to `wanted` in these columns, and their exponent.

    The last row and the finest unit with which the sum comes out exactly; else the least sum above.
    Magnitudes go up from the last column on, so that without the constants the row would be within the limit.
    """
    known, best = shape.known(name), None
    for k in range(shape.exponent(name), 0, -1):
        for row in reversed(range(len(known))):
            there, unit = known[row, columns], 1 << (shape.exponent(name) - k)
            times = factors(name, len(there))
            try:
                symbols = row_of_sum(there[::-1], times[::-1], unit, wanted)[::-1]
            except ValueError:
                continue
            found = int((np.abs(there + symbols * unit) * times).sum())
            if best is None or found < best[0]:
                whole = np.zeros(known.shape, np.int32)
                whole[row, columns] = symbols
                best = found, whole, k
            if found == wanted:
                return best[1], k
    assert best is not None
    return best[1], best[2]


def symbols_of_sums(shape: LatentPyramid, name: str) -> tuple[Ints, MatrixCoding]:
    """Symbols of a matrix in which a row, or one in each block, sums to exactly the most that it may.

    The unit is the finest with which it is so in as many blocks as can be.
    """
    known, found = shape.known(name), list[tuple[int, int, Ints]]()
    blocks = [grid.columns for grid in shape.grids] if name == "parents" else [slice(None)]
    for k in range(shape.exponent(name), 0, -1):
        symbols, n = np.zeros(known.shape, np.int32), 0
        for block in blocks:
            times = factors(name, len(known[0, block]))
            for row in reversed(range(len(known))):
                there, unit = known[row, block].astype(np.int64), 1 << (shape.exponent(name) - k)
                exact = _exactly(there, times, unit, largest_row_sum(name))
                if exact is not None:
                    symbols[row, block], n = exact, n + 1
                    break
        found.append((n, k, symbols))
    _, k, symbols = max(found, key=lambda each: each[:2])
    return symbols, coding_of(symbols, k)


def too_large(name: str, n_levels: int = 2) -> bytes:
    """A file in which the last row of a matrix sums to more than it may, and that is in order otherwise."""
    shape = pyramid(colour_prior().number, 3, 2, n_levels)
    columns = shape.grids[0].columns if name == "parents" else slice(None)
    symbols, k = matrix_of_sum(shape, name, columns, largest_row_sum(name) + 1)
    return file_of_matrix(shape, name, symbols, k)


def file_of_matrix(shape: LatentPyramid, name: str, symbols: Ints, k: int) -> bytes:
    """A file that adds symbols to one matrix alone, whatever they sum to, with latents as expected."""
    coding, writer = coding_of(symbols, k), PayloadWriter()
    coding.law.write(writer, symbols)
    codings = [coding if other == name else MatrixCoding(0, 0) for other in shape.matrices]
    tensors = write_side_information(codings, [0] * len(shape.grids))
    size = {"width": varint(shape.width), "height": varint(shape.height)}
    coded = writer.to_bytes()
    return file(shape.to_bytes(), tensors, family=2, channels=shape.channels, payload=coded, **size)
