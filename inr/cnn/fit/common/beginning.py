"""What a fit of family `cnn` begins with: the prior alone, or the network of a fit that it goes on from."""

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.weights import NetworkWeights
from inr.cnn.network import CnnNetwork


@torch.no_grad()
def begun(architecture: LatentPyramid, begin: CnnNetwork | None) -> tuple[torch.Tensor, NetworkWeights]:
    """Latents, float32 [latents] in wire order, and weights of a fit before its first step.

    Args:
        architecture: The network's architecture.
        begin: A network of that architecture to go on from; None for zeros and the prior's networks.
    """
    weights = NetworkWeights(architecture)
    if begin is None:
        return torch.zeros(architecture.n_latents), weights
    for n, (symbols, coding) in enumerate(zip(begin.matrices, begin.codings, strict=True)):
        found = weights.with_symbols(n, torch.tensor(symbols).float(), coding.exponent)
        weights.matrices[n].copy_(found)
    return torch.cat([torch.tensor(grid).flatten() for grid in begin.levels]).float(), weights
