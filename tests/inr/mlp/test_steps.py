import numpy as np

from inr.mlp.steps import N_STEPS, STEP_SIZES, nearest_quarter_levels, nearest_step_index


def test_steps_are_exact_and_ascend() -> None:
    assert len(STEP_SIZES) == N_STEPS == 128
    assert list(STEP_SIZES) == sorted(set(STEP_SIZES))
    assert all(float(np.float32(step)) == step for step in STEP_SIZES)
    assert [nearest_step_index(step) for step in STEP_SIZES] == list(range(N_STEPS))
    assert (STEP_SIZES[0], STEP_SIZES[9], STEP_SIZES[-1]) == (2.0**-14, 1.125 * 2.0**-13, 3.75)


def test_phases_divide_a_quarter_turn() -> None:
    assert [nearest_quarter_levels(1 / (4 * levels)) for levels in (1, 2, 77, 2047)] == [1, 2, 77, 2047]
    assert nearest_quarter_levels(3.0) == 1
    assert nearest_quarter_levels(1e-9) == 2047
    assert nearest_quarter_levels(float("nan")) == 2047
