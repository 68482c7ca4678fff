"""The plain operations against their definitions on the page, in Python's own integers."""

import numpy as np
import pytest

from inr.cnn import kernels, plain
from inr.cnn.arithmetic import MAX_LATENT, NEIGHBOURS, Parents
from inr.cnn.context import fronts


def test_extreme_weights_and_latents_stay_within_32_bits() -> None:
    """The largest sums that the limits admit, against the same in Python's integers."""
    most, rows = 2**15, 4
    for sign in (-1, 1):
        weights = (
            np.full((rows, 16), most // 16, np.int32),
            np.full((rows, 16), most // 16, np.int32),
            np.array([[most // 2, most // 2, 0]] * 2, np.int32),
            np.array([[sign * most, 0, 0]] * 2, np.int32),
        )
        parents = Parents(*(np.zeros(0, dtype) for dtype in (np.int16, *[np.int64] * 3)))
        predictor = plain.front_predictor(weights, (7, 7, 3, 3), parents, 1, 1)
        inputs = np.full((16, 1), MAX_LATENT, np.int32)
        law, whole = predictor.predict(inputs, inputs[:15])
        first = most // 16 * 16 * 2047 + most // 16 * (15 * 2047 + 1)
        assert first < 2**31
        hidden = min(first, 2**15 - 1)
        hidden = min(shift(most * hidden, 3), 2**15 - 1)
        output = sign * most * hidden
        direct = 2**15 - 1
        centre = min(max(shift(output, 6) + shift(direct, 3), -2047 * 16), 2047 * 16) + 8
        spread = min(max(shift(output, 7) + shift(direct, 4) + 32, 0), 80)
        assert whole[0] == centre // 16
        assert law[0] == 16 * spread + centre % 16


def test_the_law_of_a_latent_is_that_of_the_page() -> None:
    """One latent with two parents, in Python's integers."""
    rng = np.random.default_rng(6)
    sizes = {"context0": (5, 16), "parents": (5, 3), "context1": (3, 4), "context2": (2, 4)}
    weights = tuple(rng.integers(-300, 301, size, dtype=np.int32) for size in sizes.values())
    k0, kp, k1, k2 = exponents = (9, 8, 10, 6)
    latents = rng.integers(-9, 10, 30).astype(np.int16)  # of 4 x 5, then 2 x 3
    parents = Parents(latents, np.array([0, 20]), np.array([5, 3]), np.array([1, 2]))
    height, width = 8, 10
    padded = np.zeros((3 + height, 3 + width + 3), np.int16)
    padded[3:, 3:-3] = rng.integers(-9, 10, (height, width))
    first, of_parents, second, last = (weight.tolist() for weight in weights)
    predict = plain.front_predictor(weights, exponents, parents, height, width)
    for front, top, bottom in fronts(height, width):
        for y, law, whole in zip(range(top, bottom), *predict(padded, front, top, bottom), strict=True):
            x = front - 3 * y
            near = [int(padded[3 + y + dy, 3 + x + dx]) for dy, dx in NEIGHBOURS]
            above = [int(latents[y // 2 * 5 + x // 2]), int(latents[20 + y // 4 * 3 + x // 4]), 1]
            a = [
                shift(dot(w0, near), k0 - 7) + shift(dot(p, above), kp - 7)
                for w0, p in zip(first, of_parents, strict=True)
            ]
            u = [min(max(value, 0), 2**15 - 1) for value in a[:3]]
            v = [min(max(shift(dot(row, [*u, 2**7]), k1), 0), 2**15 - 1) for row in second]
            o = [dot(row, [*v, 2**7]) for row in last]
            centre = shift(o[0], k2 + 3) + shift(a[3], 3) + 8
            spread = min(max(shift(o[1], k2 + 4) + shift(a[4], 4) + 32, 0), 80)
            assert (law, whole) == (16 * spread + centre % 16, centre // 16)


def dot(row: list[int], values: list[int]) -> int:
    return sum(a * b for a, b in zip(row, values, strict=True))


def shift(x: int, s: int) -> int:
    return (x + (1 << (s - 1))) >> s if s > 0 else x << -s


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 9), (9, 4)])
def test_a_filter_is_that_of_the_page(height: int, width: int) -> None:
    rng = np.random.default_rng(2)
    plane = rng.integers(-(2**19) + 1, 2**19, (height, width), dtype=np.int32)
    taps, exponent = np.array([500, 201, -77, 11], np.int32), 9

    def axis(line: list[int]) -> list[int]:
        def at(place: int) -> int:
            return line[min(max(place, 0), len(line) - 1)]

        sums = [
            sum(int(t) * (at(x - n) + at(x + n) if n else at(x)) for n, t in enumerate(taps))
            for x in range(len(line))
        ]
        return [min(max(shift(total, exponent), -(2**19) + 1), 2**19 - 1) for total in sums]

    tall = np.array([axis(column) for column in plane.T.tolist()]).T
    expected = np.array([axis(row) for row in tall.tolist()])
    for operations in (plain, kernels):
        for top, bottom in ((0, height), (height - 1, height), (height // 2, height // 2 + 1)):
            start, stop = max(0, top - 3), min(height, bottom + 3)
            found = operations.smooth(plane[start:stop], start, height, top, bottom, taps, exponent)
            np.testing.assert_array_equal(found, expected[top:bottom])


def test_a_filter_of_one_changes_nothing() -> None:
    plane = np.random.default_rng(2).integers(-(2**19) + 1, 2**19, (5, 6), dtype=np.int32)
    for operations in (plain, kernels):
        found = operations.smooth(plane, 0, 5, 0, 5, np.array([512, 0, 0, 0], np.int32), 9)
        np.testing.assert_array_equal(found, plane)


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
    first, second = (rng.integers(-90, 91, size, dtype=np.int32) for size in ((7, 4), (2, 6)))
    found = plain.pixelwise(stack, first, second, 7, 8)
    for n, column in enumerate(stack.T.tolist()):
        x = [min(max(shift(value, 2), -32767), 32767) for value in column]
        q = [dot(row, [*x, 2**6]) for row in first.tolist()]
        g = [min(max(shift(value, 4), 0), 32767) for value in q[:5]]
        direct = [min(max(shift(value, 1), -32767), 32767) for value in q[5:]]
        y = [shift(dot(row, [*g, 2**9]), 5) + more for row, more in zip(second.tolist(), direct, strict=True)]
        assert found[:, n].tolist() == [min(max(sample, -32767), 32767) for sample in y]


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
