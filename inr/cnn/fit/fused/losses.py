"""The twin of plain_losses.py on a graphics card, of one image or of many of one size."""

from collections.abc import Sequence

import torch

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.fit.fused.context import FusedContext
from inr.cnn.fit.fused.image import FusedImage


class FusedLosses:
    """Bits and image by kernels in Triton; see `PlainLosses`.

    Args:
        architecture: The network's architecture; matrices come in its wire order, in units of one.
        device: The device of all tensors.
        exact: Multiply in float32 throughout, in place of the shorter numbers of tensor cores.
    """

    def __init__(self, architecture: LatentPyramid, device: torch.device, *, exact: bool = False) -> None:
        self._context = FusedContext(architecture, device, exact=exact)
        self._image = FusedImage(architecture, device)

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Bits of all latents, float32 [latents] or [B, latents]: a scalar or [B]."""
        own = matrices[: len(CONTEXT_MATRICES)]
        if latents.dim() == 1:
            return self._context(latents[None], own)[0]
        return self._context(latents, own)

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """Samples in [0, 1], not clipped: float32 [channels, height, width], or [B, ...]."""
        if latents.dim() == 1:
            return self._image(latents[None], matrices)[0]
        return self._image(latents, matrices)
