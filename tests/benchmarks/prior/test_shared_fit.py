from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from benchmarks.prior.shared_fit import N_LEVELS, LossesInTurn, SharedFit
from inr.cnn.fit.plain_losses import PlainLosses
from inr.cnn.prior import priors
from inr.fit.threads import torch_threads
from tests.inr.cnn.fit.drawn import architecture, assert_near, point, results

CPU = {"device": "cpu", "threads": 2}
CROPS = [np.ascontiguousarray(data.astronaut()[n : n + 32, 150:182]) for n in range(20, 180, 32)]


def test_losses_in_turn_are_those_of_the_plain_operations_on_a_batch() -> None:
    shape = architecture(3, 40, 24, 7)
    with torch_threads(1):
        one = point(shape, batch=(3,))
        exact = results(PlainLosses(shape), one.to(torch.float64))
        found = results(LossesInTurn(shape), one.to(torch.float32))
    assert found[0].shape == (3,)
    for mine, expected in zip(found, exact, strict=True):
        assert_near(mine, expected)


def test_each_crop_has_its_number_of_levels_and_latents_of_its_own() -> None:
    fit = SharedFit(CROPS, priors()[0], 1e-3, crops_per_step=2, **CPU)
    groups = {group.shape.n_levels: group for group in fit._groups}
    assert {n: len(group.targets) for n, group in groups.items()} == {n: N_LEVELS.count(n) for n in N_LEVELS}
    for group in groups.values():
        assert group.state.shape == (3, len(group.targets), group.shape.n_latents)
    np.testing.assert_array_equal(groups[8].targets[0].permute(1, 2, 0), CROPS[3])
    for group in groups.values():
        given = dict(zip(fit.names, fit._matrices_of(group.shape), strict=True))
        assert {name: tuple(matrix.shape) for name, matrix in given.items()} == group.shape.matrices


@pytest.mark.parametrize("n_crops", [2, 5])
def test_passes_lower_the_cost_and_move_networks_and_latents(n_crops: int) -> None:
    with torch_threads(1):
        fit = SharedFit(CROPS[:n_crops], priors()[0], 1e-3, crops_per_step=2, **CPU)
        before = [matrix.detach().clone() for matrix in fit.matrices]
        costs = list(fit.run(8))
    assert len(costs) == 8
    assert costs[-1] < 0.8 * costs[0]
    assert not any(
        torch.equal(one, other) for one, other in zip(before, (m.detach() for m in fit.matrices), strict=True)
    )
    assert all(bool(group.state[0].any(dim=1).all()) for group in fit._groups)
    assert all(group.n_visits == 8 for group in fit._groups)


def test_the_number_of_threads_changes_nothing() -> None:
    found = []
    for threads in (1, 3):
        with torch_threads(1):
            fit = SharedFit(CROPS, priors()[0], 1e-3, device="cpu", threads=threads, crops_per_step=2)
            list(fit.run(3))
        found.append([matrix.detach().clone() for matrix in fit.matrices])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_networks_wait_for_the_latents() -> None:
    with torch_threads(1):
        fit = SharedFit(CROPS, priors()[0], 1e-3, crops_per_step=2, **CPU)
        before = [matrix.detach().clone() for matrix in fit.matrices]
        next(fit.run(100))
    assert all(torch.equal(one, other.detach()) for one, other in zip(before, fit.matrices, strict=True))
    assert all(bool(group.state[0].any()) for group in fit._groups)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_a_fit_goes_on_at_another_lambda_with_the_same_images(factor: float, tmp_path: Path) -> None:
    with torch_threads(1):
        one = SharedFit(CROPS, priors()[0], 1e-3, crops_per_step=2, **CPU)
        list(one.run(4))
        one.save(tmp_path / "one.pt")
        other = SharedFit(CROPS, priors()[0], factor * 1e-3, crops_per_step=2, **CPU)
        other.go_on_from(tmp_path / "one.pt")
        for mine, theirs in zip(one._groups, other._groups, strict=True):
            images = [
                fit._groups[0].losses.image(group.state[0], fit._matrices_of(group.shape))
                for fit, group in ((one, mine), (other, theirs))
                if group.shape == fit._groups[0].shape
            ]
            if images:
                torch.testing.assert_close(*images, rtol=1e-4, atol=1e-4)
            assert theirs.n_visits == mine.n_visits == 4


def test_a_fit_in_grey_goes_on_from_one_in_rgb_with_its_luminance(tmp_path: Path) -> None:
    grey = [np.asarray(Image.fromarray(crop).convert("L"))[..., None] for crop in CROPS]
    with torch_threads(1):
        colour = SharedFit(CROPS, priors()[0], 1e-3, crops_per_step=2, **CPU)
        costs = list(colour.run(40))
        colour.save(tmp_path / "colour.pt")
        start = next(known for known in priors() if known.channels == 1)
        other = SharedFit(grey, start, 1e-3, crops_per_step=2, **CPU)
        other.go_on_from(tmp_path / "colour.pt")
        first = next(other.run(100))
        afresh = next(SharedFit(grey, start, 1e-3, crops_per_step=2, **CPU).run(100))
    assert costs[-1] < costs[0]
    assert first < 0.5 * afresh


def test_a_fit_without_time_left_ends() -> None:
    assert list(SharedFit(CROPS[:1], priors()[0], 1e-3, crops_per_step=1, **CPU).run(5, minutes=1e-12)) == []


def test_samples_at_the_end_of_the_scale_are_met_by_all_beyond_it() -> None:
    white = [np.full((16, 16, 3), 255, np.uint8)]
    with torch_threads(1):
        fit = SharedFit(white, priors()[0], 1e-9, crops_per_step=1, **CPU)
        for name, matrix in zip(fit.names, fit.matrices, strict=True):
            if name == "synthesis1":
                matrix.data[:, -1] += 20
        [group] = fit._groups
        values = torch.zeros(1, group.shape.n_latents)
        [cost] = fit._costs(group, values, torch.zeros_like(values), torch.tensor([0]), 1.0)
    assert float(cost.detach()) < 1e-3


def test_what_a_batch_is_made_of_covers_every_crop() -> None:
    fit = SharedFit([CROPS[n % 5] for n in range(11)], priors()[0], 1e-3, crops_per_step=3, **CPU)
    for group in fit._groups:
        batches = fit._batches_of(group)
        assert sorted(np.concatenate(batches)) == list(range(len(group.targets)))
        assert max(map(len, batches)) <= 4
