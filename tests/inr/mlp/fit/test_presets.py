import numpy as np
import pytest

from inr.config import PRESETS
from inr.mlp.fit.presets import PRESET_STEPS, choose_architecture, choose_settings, complexity


def test_networks_grow_with_detail_size_and_quality(photograph: np.ndarray) -> None:
    flat = np.full_like(photograph, 90)
    large = np.tile(photograph, (8, 8, 1))
    assert complexity(flat, 1e-3) < 1e-6
    assert complexity(large, 1e-3) == pytest.approx(complexity(photograph, 1e-3))
    widths = [
        choose_architecture(pixels, rd_lambda).n_neurons
        for pixels, rd_lambda in ((flat, 1e-3), (photograph, 1e-3), (large, 4e-3), (large, 1e-3))
    ]
    assert widths == sorted(widths)
    assert widths[0] == 8
    assert widths[3] > widths[2] > widths[1]


def test_odd_sizes_have_a_complexity() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 17, 2), dtype=np.uint8)
    assert complexity(pixels, 1e-2) > 1
    assert complexity(pixels[:1, :1], 1e-2) < 1e-6


def test_presets_are_in_order_and_a_number_of_steps_takes_their_place() -> None:
    assert list(PRESET_STEPS) == list(PRESETS)
    steps = [choose_settings(preset).n_steps for preset in PRESETS]
    assert steps == sorted(steps)
    assert choose_settings("best", 7).n_steps == 7
