from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.rd.drawing import COLOURS, INK, spread

heights = st.lists(st.floats(0, 100, allow_nan=False), max_size=12)


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#0d1117"])
@pytest.mark.parametrize("colour", [INK, *COLOURS.values()])
def test_every_colour_shows_on_light_and_dark_pages(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3


@given(heights)
def test_labels_keep_their_order_and_their_distance(values: list[float]) -> None:
    moved = spread(values, gap=5, low=0, high=100)
    assert len(moved) == len(values)
    assert all(-1e-9 <= height <= 100 + 1e-9 for height in moved)
    ordered = [height for _, height in sorted(zip(values, moved, strict=True))]
    assert all(b - a >= 5 - 1e-9 for a, b in pairwise(ordered))


def test_labels_move_as_little_as_it_takes() -> None:
    assert spread([10, 50, 90], gap=5, low=0, high=100) == [10, 50, 90]
    assert spread([50, 50], gap=6, low=0, high=100) == pytest.approx([47, 53])
    assert spread([99, 98], gap=6, low=0, high=100) == pytest.approx([100, 94])


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="expected room for 30 labels"):
        spread([1.0] * 30, gap=5, low=0, high=100)
