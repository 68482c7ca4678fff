from collections.abc import Collection

import numpy as np
import pytest

from inr import CodecConfig, EncodeRequest
from inr.config import MODELS
from inr.encoder import FITTERS, rehearse
from inr.errors import ConfigError
from inr.fit.rehearsal import MOST_STEPS, Rehearsal
from inr.fit.requests import Fitter
from tests.inr.toy import N_STEPS, ToyFitter, toy_family


def requests(*sizes: int, model: str = "mlp", channels: int = 3) -> list[EncodeRequest]:
    draw = np.random.default_rng(0)
    config = CodecConfig(model=model, rd_lambda=0.001)
    return [
        EncodeRequest(draw.integers(0, 256, (size, size, channels), dtype=np.uint8), config) for size in sizes
    ]


@pytest.mark.parametrize("model", MODELS)
def test_steps_are_taken_one_by_one_until_they_are_enough(model: str):
    rehearsal, taken = rehearse(requests(24, 16, model=model), device="cpu"), list[tuple[int, ...]]()

    def goes_on(places: Collection[int]) -> bool:
        taken.append(tuple(places))
        return taken.count((len(set(taken)) - 1,)) < 3

    rehearsal.take_steps(goes_on)
    assert taken == [(0,)] * 3 + [(1,)] * 3


@pytest.mark.parametrize("model", MODELS)
def test_the_end_of_a_fit_is_rehearsed_on_rows_with_the_network_of_the_whole_image(model: str):
    rehearsal = Rehearsal(requests(160, model=model), FITTERS[model], "cpu")
    sizes = []
    for share, n_rows in ((0.05, 8), (0.051, 9), (1.0, 160)):
        rehearsal.end_fits(share)
        rehearsal.make_files()
        [fitted] = rehearsal._fitted
        assert fitted.network.render().shape == (n_rows, 160, 3)
        sizes.append([fitted.network.architecture.get(name) for name in ("n_neurons", "n_levels")])
        assert any(sizes[-1])
    assert sizes[0] == sizes[1] == sizes[2]


def test_an_image_that_needs_no_network_takes_no_part():
    flat = EncodeRequest(np.full((9, 9, 3), 7, np.uint8), CodecConfig())
    rehearsal = rehearse([flat, *requests(8)], device="cpu")
    assert (rehearsal.n_images, rehearsal.n_pixels) == (1, 64)
    assert rehearse([flat], device="cpu").n_images == 0


def test_hidden_pixels_count_no_more_than_in_a_fit_and_rows_of_nothing_else_are_no_fault():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 8, 4), dtype=np.uint8)
    pixels[:16, :, 3] = 0
    rehearsal = rehearse([EncodeRequest(pixels, CodecConfig(model="cnn"))], device="cpu")
    rehearsal.end_fits(0.5)
    rehearsal.make_files()
    assert rehearsal._fitted[0].network.render().shape == (16, 8, 4)


def test_no_rehearsal_goes_on_for_ever():
    fitter = ToyFitter()
    with toy_family(fitter):
        rehearsal = Rehearsal(requests(8, 8, model="toy"), Fitter(fitter.fit, {"draft": N_STEPS}, 1), "cpu")
        rehearsal.take_steps(lambda places: True)
    assert fitter.seen == [[2, *[2] * N_STEPS]]
    assert MOST_STEPS < 1000
    taken: list[int] = []
    rehearse(requests(4, model="mlp"), device="cpu").take_steps(lambda places: not taken.append(1))
    assert len(taken) == MOST_STEPS


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"^device: expected auto, cpu or cuda, found 'abacus'$"):
        rehearse(requests(4), device="abacus")  # type: ignore[arg-type]
