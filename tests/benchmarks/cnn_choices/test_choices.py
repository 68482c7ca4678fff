import pytest
import torch

from benchmarks.cnn_choices.choices import (
    CHOICES,
    Mask,
    filters,
    hyperlatents,
    level_biases,
    linear_paths,
    parents,
)
from inr.cnn.architecture import LatentPyramid
from tests.inr.networks import pyramid

SHAPE = pyramid(1, 70, 40, 6)  # the example of FORMAT.md, section 8
BLOCKS = (
    (0, 7),
    (8, 14),
    (15, 20),
    (21, 25),
    (26, 28),
    (29, 29),
    (30, 32),
    (33, 33),
)  # first and last column
HYPER = [5, 6, 12, 13, 18, 19, 23, 24, 27, 31]  # columns of parents at the places 6 and 7


def held(mask: Mask, shape: LatentPyramid = SHAPE) -> dict[str, torch.Tensor]:
    """Where each tensor is held; those that are not held at all are left out."""
    tensors = {name: torch.ones(size) for name, size in shape.matrices.items()}
    tensors["latents"] = torch.ones(shape.n_latents)
    for name, kept in tensors.items():
        mask(shape, name, kept)
        assert ((kept == 0) | (kept == 1)).all()
    return {name: kept == 0 for name, kept in tensors.items() if not kept.all()}


def columns(of_parents: torch.Tensor) -> list[int]:
    assert (of_parents == of_parents[:1]).all()  # whole columns
    return of_parents[0].nonzero().flatten().tolist()


def test_parents_are_held_but_for_the_constants() -> None:
    found = held(parents)
    assert list(found) == ["parents"]
    constants = {last for _, last in BLOCKS}
    assert columns(found["parents"]) == [n for n in range(34) if n not in constants]


def test_hyperlatents_and_what_they_add_are_held() -> None:
    found = held(hyperlatents)
    assert list(found) == ["parents", "latents"]
    assert columns(found["parents"]) == HYPER
    n_levels = sum(height * width for height, width in SHAPE.grid_shapes[:6])
    assert not found["latents"][:n_levels].any()
    assert found["latents"][n_levels:].all()
    assert list(held(hyperlatents, pyramid(1, 70, 40, 4))) == []  # too shallow to have any


def test_filters_and_what_tells_grids_apart_are_held_whole() -> None:
    for mask, name in ((filters, "filters"), (level_biases, "parents")):
        found = held(mask)
        assert list(found) == [name]
        assert found[name].all()


def test_linear_paths_are_held_in_both_networks() -> None:
    found = held(linear_paths)
    assert list(found) == ["context0", "parents", "synthesis0"]
    for name, n_paths in (("context0", 2), ("parents", 2), ("synthesis0", 3)):
        assert found[name][-n_paths:].all()
        assert not found[name][:-n_paths].any()


def test_choices_have_names_of_their_own_and_the_first_changes_nothing() -> None:
    assert len({choice.name for choice in CHOICES}) == len(CHOICES)
    first = CHOICES[0]
    assert (first.settings, first.without, first.one_sided) == ({}, (), True)
    assert (first.more_neurons, first.seed, first.steps_factor) == ((0, 0), 0, 1.0)


@pytest.mark.parametrize("choice", CHOICES[1:], ids=lambda choice: choice.name)
def test_every_other_choice_changes_something_else(choice: object) -> None:
    others = [{**vars(other), "name": ""} for other in CHOICES if other is not choice]
    assert {**vars(choice), "name": ""} not in others
