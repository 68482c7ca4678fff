import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.prior.shared_fit import N_LEVELS, SharedFit
from inr.cnn.fit.common.plain_losses import PlainLosses
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.prior import priors
from tests.inr.cnn.fit.drawn import DEVICE

CROPS = [np.ascontiguousarray(data.astronaut()[n : n + 16, 150:166]) for n in range(20, 100, 16)]


def begun(n_crops: int = 2, n_steps: int = 10, rd_lambda: float = 1e-3) -> SharedFit:
    return SharedFit(CROPS[:n_crops], priors()[0], rd_lambda, n_steps, device=DEVICE)


def test_each_crop_has_its_number_of_levels_and_begins_with_the_shared_networks() -> None:
    fit = begun(5)
    groups = {fits.architecture.n_levels: fits for fits, _ in fit._groups}
    assert {n: fits.n_images for n, fits in groups.items()} == {n: N_LEVELS.count(n) for n in N_LEVELS}
    shared = fit.matrices()
    for n_levels, fits in groups.items():
        own = dict(zip(fits.architecture.matrices, fits.matrices(fits.weights), strict=True))
        assert torch.equal(own["context1"][0].cpu(), shared["context1"])
        assert torch.equal(own["filters"][0].cpu(), shared["filters"][: n_levels - 1])
        first = shared["synthesis0"]
        assert torch.equal(own["synthesis0"][0].cpu(), torch.cat([first[:, :n_levels], first[:, -1:]], 1))
    assert len(shared["filters"]) == MAX_LEVELS - 1


def test_steps_lower_the_cost_and_move_shared_networks_and_differences() -> None:
    fit = begun(2, 15)
    before = fit.shared.clone()
    reports = list(fit.run())
    assert [step for step, _ in reports] == [10, 15]
    assert reports[-1][1] < reports[0][1]
    moved = fit.shared - before
    for fits, places in fit._groups:
        assert moved[0, places].any()
        torch.testing.assert_close(fits.known, fit.shared[0, places], rtol=0, atol=1e-5)
        assert not torch.equal(fits.weights[0], fits.known)
        assert bool(fits.latents.any(dim=1).all())


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_fit_goes_on_at_another_lambda_with_the_same_images(factor: float) -> None:
    one = begun(2, 3)
    list(one.run())
    other = begun(2, 3, factor * 1e-3)
    other.go_on_from(one.state())
    for (mine, _), (theirs, _) in zip(one._groups, other._groups, strict=True):
        known, found = (
            PlainLosses(fits.architecture).image(
                fits.latents, fits.matrices(fits.known.expand(fits.n_images, -1))
            )
            for fits in (mine, theirs)
        )
        torch.testing.assert_close(found, known, rtol=1e-3, atol=1e-3)


def test_a_fit_in_grey_goes_on_from_one_in_rgb_with_its_luminance() -> None:
    grey = [np.asarray(Image.fromarray(crop).convert("L"))[..., None] for crop in CROPS[:2]]
    colour = begun(2, 15)
    list(colour.run())
    start = next(known for known in priors() if known.channels == 1)
    other, afresh = (SharedFit(grey, start, 1e-3, 1, device=DEVICE) for _ in range(2))
    other.go_on_from(colour.state())
    assert next(other.run())[1] < 0.7 * next(afresh.run())[1]


def test_an_entry_has_all_matrices_and_the_lambda() -> None:
    fit = begun(1, 1)
    entry = fit.entry()
    assert entry["rd_lambda"] == 1e-3
    assert list(entry["matrices"]) == list(fit.names)
