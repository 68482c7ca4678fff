"""Ways to fit family `cnn`, each by what it does otherwise."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from inr.cnn.architecture import LatentPyramid

# Sets what a choice does without to 0 in an array of ones, of the form of a matrix or of all latents.
Mask = Callable[[LatentPyramid, str, torch.Tensor], None]


def parents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Takes away what grids add to the laws of finer ones; each keeps a constant of its own."""
    if name == "parents":
        constants = [grid.columns.stop - 1 for grid in shape.grids]
        kept[:, [n for n in range(kept.shape[1]) if n not in constants]] = 0


def hyperlatents(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Takes away hyperlatents, and what they add to the laws of finer grids."""
    if name == "parents":
        for grid in shape.grids:
            for n, place in enumerate(grid.parents):
                if shape.grids[place].is_hyper:
                    kept[:, grid.first_column + n] = 0
    if name == "latents":
        sizes = [math.prod(size) for size in shape.grid_shapes]
        kept[sum(sizes[: shape.n_levels]) :] = 0


def filters(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Takes away what the filters of the levels do beside the identity."""
    if name == "filters":
        kept[:] = 0


def linear_paths(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Takes away what passes the hidden layers by, constants of grids aside."""
    if name == "context0":
        kept[shape.prior.context_neurons :] = 0
    if name == "parents":
        constants = [grid.columns.stop - 1 for grid in shape.grids]
        kept[shape.prior.context_neurons :, [n for n in range(kept.shape[1]) if n not in constants]] = 0
    if name == "synthesis0":
        kept[shape.prior.synthesis_neurons :, :-1] = 0


def level_biases(shape: LatentPyramid, name: str, kept: torch.Tensor) -> None:
    """Takes away all of what makes the law of a grid differ from that of another."""
    if name == "parents":
        kept[:] = 0


@dataclass(frozen=True)
class Choice:
    """One way to fit: its differences from the chosen one.

    Attributes:
        name: The choice in words.
        settings: Changes of `PyramidSettings`.
        without: Weights and latents that are zero throughout, by their mask.
        one_sided: False if samples beyond the ends of the scale count as errors.
        synthesis_neurons: Neurons of the synthesis, if other than the prior's.
        steps_factor: Factor of the number of steps.
        seed: Added to the seed.
    """

    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    without: tuple[Mask, ...] = ()
    one_sided: bool = True
    synthesis_neurons: int | None = None
    steps_factor: float = 1.0
    seed: int = 0

    @property
    def has_own_prior(self) -> bool:
        """True if its networks are fitted to the crops anew, since they are other ones."""
        return bool(self.without) or not self.one_sided or self.synthesis_neurons is not None


CHOICES = (
    Choice("as chosen"),
    Choice("another seed", seed=100),
    Choice("error on both sides", one_sided=False),
    Choice("no parents, no hyperlatents", without=(parents, hyperlatents)),
    Choice("nor constants of grids", without=(level_biases, hyperlatents)),
    Choice("no hyperlatents", without=(hyperlatents,)),
    Choice("no filters", without=(filters,)),
    Choice("no linear paths", without=(linear_paths,)),
    Choice("48 synthesis neurons", synthesis_neurons=48),
    Choice("24 synthesis neurons", synthesis_neurons=24),
    Choice(
        "noise .22 to .15, T .35 to .08",
        {"widest": 0.22, "narrowest": 0.15, "warmest": 0.35, "coldest": 0.08},
    ),
    Choice("T .3 to .1", {"warmest": 0.3}),
    Choice("twice the steps", steps_factor=2.0),
    Choice("half the steps", steps_factor=0.5),
    Choice("networks' rate 1.5e-2", {"network_rate": 1.5e-2}),
    Choice("networks' rate 7e-3", {"network_rate": 7e-3}),
    Choice("latents' rate .4", {"latent_rate": 0.4}),
    Choice("latents' rate .2", {"latent_rate": 0.2}),
    Choice("tail a tenth", {"tail_fraction": 0.1}),
)
