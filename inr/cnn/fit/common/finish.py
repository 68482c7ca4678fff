"""The end of a fit of family `cnn`: from rounded latents and weights to the network that a file holds."""

import math
from collections.abc import Sequence

import numpy as np
import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_REACH, Latents
from inr.cnn.fit.common.losses import Losses
from inr.cnn.fit.common.weights import NetworkWeights, symbol_bits
from inr.cnn.levels import level_laws
from inr.cnn.network import CnnNetwork, MatrixCoding, context_model, weights_of, write_side_information
from inr.fit.requests import Fitted
from inr.fit.steering import Aim


@torch.no_grad()
def rounded_network(
    architecture: LatentPyramid,
    latents: torch.Tensor,
    weights: NetworkWeights,
    exponents: Sequence[int],
    losses: Losses,
) -> Fitted:
    """The rounded network, and its bits, which are not finite if the fit came apart.

    Args:
        architecture: The network's architecture.
        latents: Rounded latents, float32 [latents].
        weights: The networks' weights, not rounded.
        exponents: Exponent of each matrix, in wire order.
        losses: Give the bits of the latents.
    """
    coded = [weights.coded(n, exponent) for n, exponent in enumerate(exponents)]
    symbols = [torch.tensor(matrix).float() for matrix, _ in coded]
    matrices = [weights.with_symbols(n, symbols[n], k) for n, k in enumerate(exponents)]
    bits = sum(float(symbol_bits(symbols[n])) for n, k in enumerate(exponents) if k)
    bits += float(losses.bits(latents, matrices))
    levels = _grids(architecture, latents)
    integers = weights_of(architecture, [matrix for matrix, _ in coded], [coding for _, coding in coded])
    context = context_model(architecture, integers)
    reaches = [int(np.abs(level_laws(context, n, levels)[1]).max()) for n in range(len(levels))]
    network = CnnNetwork(
        shape=architecture,
        matrices=[matrix for matrix, _ in coded],
        codings=[coding for _, coding in coded],
        levels=levels,
        reaches=[min(reach, MAX_REACH) for reach in reaches],
    )
    is_finite = all(bool(tensor.isfinite().all()) for tensor in (latents, *weights.matrices))
    return Fitted(network, bits if is_finite and max(reaches) <= MAX_REACH else math.nan)


def payload_aim(aim: Aim | None, architecture: LatentPyramid) -> Aim | None:
    """An aim less the bits of the sections that are no payload."""
    if aim is None or aim.bits is None:
        return aim
    side = write_side_information(
        [MatrixCoding(0, 0)] * len(architecture.matrices), [0] * len(architecture.grids)
    )
    return Aim(bits=max(aim.bits - 8 * (len(architecture.to_bytes()) + len(side)), 1.0))


def _grids(architecture: LatentPyramid, latents: torch.Tensor) -> list[Latents]:
    shapes = architecture.grid_shapes
    flat = latents.nan_to_num().to(torch.int16)
    parts = torch.split(flat, [math.prod(shape) for shape in shapes])
    return [part.view(shape).numpy() for part, shape in zip(parts, shapes, strict=True)]
