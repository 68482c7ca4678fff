import time

import numpy as np
import pytest

from inr import CodecConfig, EncodeRequest, encode
from inr.config import MODELS
from tasks.catalogue.recipe import Recipe
from tasks.plan.pace import Bounds
from tasks.plan.timing import (
    LEAST_SECONDS,
    LEAST_STEPS,
    MOST_WARM_STEPS,
    _Watch,
    measured_pace,
    steps_until,
)
from tests.lengths import fits_from
from tests.tasks import pictures


def photograph(height: int, width: int) -> np.ndarray:
    return np.asarray(pictures.photograph(height, width, 3))


@pytest.mark.parametrize("model", MODELS)
def test_a_fit_in_its_time_takes_about_that_time(model: str):
    config = CodecConfig(model=model, rd_lambda=0.001)
    request = EncodeRequest(photograph(96, 96), config)
    measured_pace([request], "cpu")  # loads and compiles
    started = time.perf_counter()
    with fits_from(1, 100_000, model=model):
        n_steps = steps_until(started + 8.0, [request], Recipe(config), "cpu", checked=False)
    encode(request.pixels, config, n_steps=n_steps, device="cpu")
    assert 8.0 * 0.3 < time.perf_counter() - started < 8.0 * 3  # whatever else the machine does
    assert n_steps > 1


def test_a_tiny_image_is_given_no_more_than_it_can_use_and_one_of_one_colour_nothing_to_time():
    config = CodecConfig(model="mlp", rd_lambda=0.001)
    tiny, flat = (
        EncodeRequest(pixels, config) for pixels in (photograph(8, 8), np.full((64, 64, 3), 9, np.uint8))
    )
    far = time.perf_counter() + 1e6
    for request in (tiny, flat):
        found = steps_until(far, [request], Recipe(config, seconds_per_image=1e6), "cpu", checked=True)
        assert found == Bounds.of("mlp").most
    assert measured_pace([flat], "cpu") is None


def test_a_group_takes_as_long_as_its_images_together():
    config = CodecConfig(model="cnn", rd_lambda=0.001)
    requests = [EncodeRequest(photograph(64, 48), config)] * 3
    alone, together = measured_pace(requests[:1], "cpu"), measured_pace(requests, "cpu")
    assert alone is not None
    assert together is not None
    assert together.step_seconds > 1.2 * alone.step_seconds
    assert together.end_seconds > 1.2 * alone.end_seconds


class TestWatch:
    """The watch reads the clock itself; steps are as long as these sleep."""

    def test_what_the_first_steps_load_does_not_count(self):
        watch, n_steps = _Watch("cpu", 0.0), 0
        time.sleep(0.3)
        while watch([0]):
            n_steps += 1
            time.sleep(0.1 if n_steps <= 3 else 0.01)
        assert n_steps == 3 + LEAST_STEPS
        assert 0.01 <= watch.step_seconds < 0.05

    def test_short_steps_are_warm_after_some_and_timed_for_a_while(self):
        watch, started, n_steps = _Watch("cpu", LEAST_SECONDS), time.perf_counter(), 1
        while watch([0]):
            n_steps += 1
            time.sleep(0.005)
        assert time.perf_counter() - started > LEAST_SECONDS + 0.005 * (MOST_WARM_STEPS - 1)
        assert n_steps > MOST_WARM_STEPS + LEAST_STEPS
        assert 0.005 <= watch.step_seconds < 0.02

    def test_on_a_card_steps_count_once_they_are_recorded(self):
        watch, n_steps = _Watch("cuda", 0.0), 1
        while watch([0, 1]):
            n_steps += 1
        assert n_steps == 25 + LEAST_STEPS

    def test_images_one_after_the_other_add_up_and_those_in_step_do_not(self):
        apart, together = _Watch("cpu", 0.0), _Watch("cpu", 0.0)
        for watch, groups in ((apart, ([0], [1])), (together, ([0, 1],))):
            for places in groups:
                while watch(places):
                    time.sleep(0.05)
        assert 0.1 <= apart.step_seconds < 0.2
        assert 0.05 <= together.step_seconds < 0.1
