"""The plain operations against their definitions on the page, in Python's own integers."""

import numpy as np

from inr.cnn import plain
from inr.cnn.arithmetic import MAX_LATENT


def test_extreme_weights_and_latents_stay_within_32_bits() -> None:
    """The largest sums that the limits admit, against the same in Python's integers."""
    weights = (np.full((2, 17), 1927, np.int32), np.full((2, 3), 2047, np.int32), np.full((2, 3), -2047))
    law, whole = plain.front_predictor(
        tuple(weight.astype(np.int32) for weight in weights), (3, 3, 3), 1, 1
    ).predict(np.full((16, 1), MAX_LATENT, dtype=np.int32))
    hidden = min(1927 * (16 * 2047 + 1) << 4, 2**15 - 1)
    hidden = min((2047 * (2 * hidden + 128) + 4) >> 3, 2**15 - 1)
    output = -2047 * (2 * hidden + 128)
    centre = max((output + 32) >> 6, -2047 * 16) + 8
    assert whole[0] == centre // 16
    assert law[0] == centre % 16  # the least spread


def shift(x: int, s: int) -> int:
    return (x + (1 << (s - 1))) >> s if s > 0 else x << -s


def test_doubling_is_that_of_the_page() -> None:
    rng = np.random.default_rng(3)
    source = rng.integers(-5000, 5001, (2, 5, 4), dtype=np.int32)
    taps, exponent = np.array([-9, 67, 225, -27], np.int32), 8

    def axis(line: list[int], n: int) -> list[int]:
        found = []
        for x in range(n):
            places = range(x // 2 - 2, x // 2 + 2) if x % 2 == 0 else range(x // 2 + 2, x // 2 - 2, -1)
            clamped = [line[min(max(place, 0), len(line) - 1)] for place in places]
            found.append(shift(sum(int(t) * v for t, v in zip(taps, clamped, strict=True)), exponent))
        return found

    for plane, doubled in zip(source, plain.double(source, 0, 5, 0, 9, 7, taps, exponent), strict=True):
        tall = np.array([axis(column, 9) for column in plane.T.tolist()]).T
        wide = [axis(row, 7) for row in tall.tolist()]
        np.testing.assert_array_equal(doubled, wide)


def test_the_two_layers_are_those_of_the_page() -> None:
    rng = np.random.default_rng(4)
    stack = rng.integers(-60000, 60001, (3, 6), dtype=np.int32)
    first, second = (rng.integers(-90, 91, size, dtype=np.int32) for size in ((5, 4), (2, 6)))
    found = plain.pixelwise(stack, first, second, 6, 7)
    for n, column in enumerate(stack.T.tolist()):
        x = [min(max(shift(value, 2), -32767), 32767) for value in column]
        hidden = [
            min(max(shift(sum(a * b for a, b in zip(row, x, strict=False)) + (row[-1] << 6), 3), 0), 32767)
            for row in first.tolist()
        ]
        samples = [
            shift(sum(a * b for a, b in zip(row, hidden, strict=False)) + (row[-1] << 9), 4)
            for row in second.tolist()
        ]
        assert found[:, n].tolist() == [min(max(sample, -32767), 32767) for sample in samples]


def test_a_residual_layer_is_that_of_the_page() -> None:
    rng = np.random.default_rng(5)
    samples = rng.integers(-4000, 4001, (2, 4, 3), dtype=np.int32)
    weight = rng.integers(-40, 41, (2, 19), dtype=np.int32)
    found = plain.residual(samples, 0, 4, 0, 4, weight, 8, True)
    for o in range(2):
        for y in range(4):
            for x in range(3):
                total = int(weight[o, 18]) << 12
                for i in range(2):
                    for k in range(9):
                        at = min(max(y + k // 3 - 1, 0), 3), min(max(x + k % 3 - 1, 0), 2)
                        total += int(weight[o, 9 * i + k]) * int(samples[i, at[0], at[1]])
                value = int(samples[o, y, x]) + shift(total, 8)
                assert found[o, y, x] == min(max(value, 0), 32767)
