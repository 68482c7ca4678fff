"""The twin of plain_losses.py on a CPU, by compiled loops whose work is cut into jobs."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

from inr.cnn.architecture import CONTEXT_MATRICES, LatentPyramid
from inr.cnn.fit.common.losses import Target
from inr.cnn.fit.compiled.arrays import applied
from inr.cnn.fit.compiled.bits import Bits, latent_bits
from inr.cnn.fit.compiled.image import Pixelwise, Residual
from inr.cnn.fit.compiled.jobs import Jobs
from inr.cnn.fit.compiled.pointwise import Distortion, Soften

_MULTIPLE = 4  # of neurons that the loops take


class CompiledLosses:
    """Bits and image by compiled loops.

    Args:
        architecture: The network's architecture; matrices come in its wire order, in units of one.
        pool: Runs jobs beside each other; without one they run one after another.

    Raises:
        ValueError: The networks' numbers of neurons are no multiples of four.
    """

    def __init__(self, architecture: LatentPyramid, pool: ThreadPoolExecutor | None) -> None:
        known = architecture.prior
        if known.context_neurons % _MULTIPLE or known.synthesis_neurons % _MULTIPLE:
            raise ValueError(
                f"neurons: expected multiples of {_MULTIPLE}, found {known.context_neurons} of the context "
                f"model and {known.synthesis_neurons} of the synthesis"
            )
        self._architecture, self._jobs = architecture, Jobs(architecture, pool)

    def bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.bits`."""
        return applied(Bits, self._jobs, latents, *matrices[: len(CONTEXT_MATRICES)])

    def latent_bits(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.latent_bits`; not differentiable."""
        return latent_bits(self._jobs, latents, matrices[: len(CONTEXT_MATRICES)])

    def soften(self, latents: torch.Tensor, noise: torch.Tensor, temperature: float) -> torch.Tensor:
        """See `PlainLosses.soften`."""
        return applied(Soften, self._jobs, latents, noise, temperature)

    def distortion(
        self, latents: torch.Tensor, matrices: Sequence[torch.Tensor], target: Target
    ) -> torch.Tensor:
        """See `PlainLosses.distortion`."""
        samples = self.image(latents, matrices)
        return applied(Distortion, self._jobs, samples, target)

    def image(self, latents: torch.Tensor, matrices: Sequence[torch.Tensor]) -> torch.Tensor:
        """See `PlainLosses.image`."""
        named = dict(zip(self._architecture.matrices, matrices, strict=True))
        none = torch.zeros(0, 4)
        samples = applied(
            Pixelwise,
            self._jobs,
            latents,
            named.get("filters", none),
            named.get("upsampling", none),
            named["synthesis0"],
            named["synthesis1"],
        )
        residuals = self._architecture.residual_matrices
        for n, name in enumerate(residuals, 1):
            samples = applied(Residual, self._jobs, samples, named[name], n < len(residuals))
        return samples
