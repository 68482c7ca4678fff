"""Ways to fit family `cnn`, each by what it does otherwise."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from inr.cnn.architecture import LatentPyramid

# Sets what a choice holds to 0 in an array of ones, which is of the form of a matrix or of all latents.
Mask = Callable[[LatentPyramid, str, torch.Tensor], None]


def parents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Holds what grids add to the laws of finer ones; each keeps a constant of its own."""
    if name == "parents":
        constants = [grid.columns.stop - 1 for grid in shape.grids]
        kept[:, [n for n in range(kept.shape[1]) if n not in constants]] = 0


def hyperlatents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Holds hyperlatents, and what they add to the laws of finer grids."""
    if name == "parents":
        for grid in shape.grids:
            for n, place in enumerate(grid.parents):
                if shape.grids[place].is_hyper:
                    kept[:, grid.first_column + n] = 0
    if name == "latents":
        sizes = [math.prod(size) for size in shape.grid_shapes]
        kept[sum(sizes[: shape.n_levels]) :] = 0


def filters(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Holds the filters of the levels."""
    if name == "filters":
        kept[:] = 0


def linear_paths(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Holds what passes the hidden layers by."""
    if name in ("context0", "parents"):
        kept[shape.prior.context_neurons :] = 0
    if name == "synthesis0":
        kept[shape.prior.synthesis_neurons :] = 0


def level_biases(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Holds all of what makes the law of a grid differ from that of another."""
    if name == "parents":
        kept[:] = 0


@dataclass(frozen=True)
class Choice:
    """One way to fit: its differences from the chosen one.

    Attributes:
        name: The choice in words.
        settings: Changes of `PyramidSettings`.
        without: Weights and latents that stay what they begin as, by their mask.
        one_sided: False if samples beyond the ends of the scale count as errors.
        more_neurons: Neurons beyond the prior's in the context model's layers and in the synthesis.
        seed: Added to the seed.
        steps_factor: Factor of the number of steps.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    without: tuple[Mask, ...] = ()
    one_sided: bool = True
    more_neurons: tuple[int, int] = (0, 0)
    seed: int = 0
    steps_factor: float = 1.0


CHOICES = (
    Choice("as chosen"),
    Choice("another seed", seed=100),
    Choice("error on both sides", one_sided=False),
    Choice("nothing beside the first form", without=(level_biases, hyperlatents, filters, linear_paths)),
    Choice("no parents, biases per level alone", without=(parents, hyperlatents)),
    Choice("no hyperlatents", without=(hyperlatents,)),
    Choice("no filters", without=(filters,)),
    Choice("no linear paths", without=(linear_paths,)),
    Choice("4 and 8 neurons more", more_neurons=(4, 8)),
    Choice("8 synthesis neurons more", more_neurons=(0, 8)),
    Choice(
        "noise .22 to .15, T .35 to .08",
        {"widest": 0.22, "narrowest": 0.15, "warmest": 0.35, "coldest": 0.08},
    ),
    Choice("noise .22 to .15", {"widest": 0.22, "narrowest": 0.15}),
    Choice("noise .23 to .18", {"widest": 0.23, "narrowest": 0.18}),
    Choice("T .35 to .08", {"warmest": 0.35, "coldest": 0.08}),
    Choice("T .3 to .1", {"warmest": 0.3}),
    Choice("twice the steps", steps_factor=2.0),
    Choice("half the steps", steps_factor=0.5),
    Choice("networks' rate 1.5e-2", {"network_rate": 1.5e-2}),
    Choice("networks' rate 7e-3", {"network_rate": 7e-3}),
    Choice("latents' rate .25", {"latent_rate": 0.25}),
    Choice("latents' rate .16", {"latent_rate": 0.16}),
    Choice("tail a twentieth", {"tail_fraction": 0.05}),
    Choice("tail a fifth", {"tail_fraction": 0.2}),
)
