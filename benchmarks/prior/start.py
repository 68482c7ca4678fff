"""What a fit of a prior begins with."""

import math
from pathlib import Path

import torch

from inr.cnn.grids import MAX_LEVELS, grids_of, kept_columns
from inr.cnn.prior import Prior, priors, read_priors

LUMA = (0.299, 0.587, 0.114)  # of Rec. 601


def nearest(channels: int, rd_lambda: float, start: Path | None) -> Prior:
    """The prior of so many channels whose λ is nearest, of inr's or of those in a file."""
    known = priors() if start is None else read_priors(start.read_text(encoding="utf-8"))
    mine = [prior for prior in known if prior.channels == channels]
    return min(mine, key=lambda prior: abs(math.log(prior.rd_lambda / rd_lambda)))


def deepened(known: Prior, rd_lambda: float, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """The matrices of a prior with as many levels as there can be: float32, by name, in units of one.

    Latents are in units of a step that goes with the root of λ, as in `presets.choose_pyramid`.
    """
    found = {
        name: torch.tensor(known.matrices[name], dtype=torch.float32) * 2.0 ** -known.exponents[name]
        for name in known.matrices
    }
    more = MAX_LEVELS - known.n_levels
    for name in ("filters", "upsampling"):
        found[name] = torch.cat([found[name], found[name][-1:].expand(more, -1)])
    first = found["synthesis0"]
    first[:, :-1] *= math.sqrt(rd_lambda / known.rd_lambda)
    found["synthesis0"] = torch.cat([first[:, :-1], first[:, -2:-1].expand(-1, more), first[:, -1:]], dim=1)
    grids = grids_of(MAX_LEVELS)
    parents = 0.01 * torch.randn(len(found["parents"]), grids[-1].columns.stop, generator=generator)
    parents[:, kept_columns(known.n_levels, MAX_LEVELS)] = found["parents"]
    coarsest = grids_of(known.n_levels)[known.n_levels - 1]
    for grid in grids:
        if grid.depth >= known.n_levels:
            parents[:, grid.columns.stop - 1] = found["parents"][:, coarsest.columns.stop - 1]
    found["parents"] = parents
    return found


def of_luminance(matrices: dict[str, torch.Tensor], prior: Prior) -> dict[str, torch.Tensor]:
    """Networks for grey from those for RGB: the weighted sum of their samples, Rec. 601."""
    luma, hidden = torch.tensor(LUMA), prior.synthesis_neurons
    first, found = matrices["synthesis0"], dict(matrices)
    found["synthesis0"] = torch.cat([first[:hidden], luma[None] @ first[hidden:]])
    found["synthesis1"] = luma[None] @ matrices["synthesis1"]
    for name in [name for name in matrices if name.startswith("residual")]:
        kernel = matrices[name][:, :-1].reshape(-1, 3, 9).sum(1)
        found[name] = luma[None] @ torch.cat([kernel, matrices[name][:, -1:]], dim=1)
    return found
