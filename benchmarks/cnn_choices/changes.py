"""What a choice changes of a fit: what it holds, and how wide the networks are."""

import math
from dataclasses import replace

import numpy as np
import torch

from benchmarks.cnn_choices.choices import Choice
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.trainer import PyramidFit


def hold(fit: PyramidFit, shape: LatentPyramid, choice: Choice) -> None:
    """Have a fit leave alone what a choice does without."""
    tensors = {**dict(zip(shape.matrices, fit.weights.matrices, strict=True)), "latents": fit.latents}
    for name, tensor in tensors.items():
        kept = torch.ones_like(tensor)
        for mask in choice.without:
            mask(shape, name, kept)
        if not bool(kept.all()):
            tensor.register_hook(lambda gradient, kept=kept: gradient * kept)  # type: ignore[no-untyped-call]
    if not choice.one_sided:
        fit.least.fill_(-math.inf)
        fit.most.fill_(math.inf)


def wider(shape: LatentPyramid, more: tuple[int, int]) -> LatentPyramid:
    """The architecture with more neurons, whose results begin as nothing."""
    if more == (0, 0):
        return shape
    draw, known = np.random.default_rng(0), shape.prior
    hidden, wide = known.context_neurons, known.synthesis_neurons
    matrices, exponents = dict(known.matrices), known.exponents

    def rows(name: str, at: int, n: int, n_inputs: int) -> None:
        matrix = matrices[name]
        new = draw.normal(0, n_inputs**-0.5, (n, matrix.shape[1])) * 2.0 ** exponents[name]
        matrices[name] = np.insert(matrix, at, new.astype(np.int32), axis=0)

    rows("context0", hidden, more[0], 64)
    rows("context1", hidden, more[0], hidden)
    rows("synthesis0", wide, more[1], 16)
    matrices["parents"] = np.insert(matrices["parents"], [hidden] * more[0], 0, axis=0)
    for name, at, n in (
        ("context1", hidden, more[0]),
        ("context2", hidden, more[0]),
        ("synthesis1", wide, more[1]),
    ):
        matrices[name] = np.insert(matrices[name], [at] * n, 0, axis=1)
    more_of_it = replace(
        known, context_neurons=hidden + more[0], synthesis_neurons=wide + more[1], matrices=matrices
    )
    return replace(shape, prior=more_of_it)
