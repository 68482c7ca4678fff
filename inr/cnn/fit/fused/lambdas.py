"""λ of each of many fits in step, on the card: steps that are recorded read it there, so it can move."""

from collections.abc import Sequence

import torch

from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.common.finish import payload_aim
from inr.cnn.fit.common.schedule import LATENT_EPSILON
from inr.fit.steering import Aim, Steering


class Lambdas:
    """λ of each image, and what goes with it.

    Args:
        rd_lambdas: λ to begin with.
        aims: For each image, see `FitRequest`.
        architecture: The architecture of each image's network.
        device: The device.

    Attributes:
        steerings: λ of each image as it is now.
        is_steered: Whether any of them moves.
        shares: Derivatives of costs with respect to bits and to the error, float32 [B, 2].
        epsilons: Adam's on the latents, float32 [B].
    """

    def __init__(
        self,
        rd_lambdas: Sequence[float],
        aims: Sequence[Aim | None],
        architecture: LatentPyramid,
        device: torch.device,
    ) -> None:
        given = zip(rd_lambdas, aims, strict=True)
        self.steerings = [Steering(each, payload_aim(aim, architecture)) for each, aim in given]
        self.is_steered = any(aim is not None for aim in aims)
        self._n_pixels = architecture.width * architecture.height
        self.shares = torch.ones(len(self.steerings), 2, device=device)
        self.epsilons = torch.zeros(len(self.steerings), device=device)
        for n, per_bit in enumerate(self.per_bits):
            self.set_per_bit(n, per_bit)

    @property
    def per_bits(self) -> list[float]:
        """Cost of a bit of each image at the λ that its steps have now."""
        return [steering.rd_lambda / self._n_pixels for steering in self.steerings]

    @property
    def per_bit(self) -> torch.Tensor:
        """Cost of a bit of each image, float32 [B]."""
        return self.shares[:, 0]

    def set_per_bit(self, n: int, per_bit: float) -> None:
        """Let a bit of image n cost so much."""
        self.shares[n, 0] = per_bit
        self.epsilons[n] = LATENT_EPSILON * per_bit

    def look(self, progress: float, *state: torch.Tensor) -> None:
        """Move λ of each image.

        Args:
            progress: Share of all steps that are done.
            state: See `Steering.look`, float32 [B] each.
        """
        states = zip(*(values.tolist() for values in state), strict=True)
        for n, (steering, its) in enumerate(zip(self.steerings, states, strict=True)):
            steering.look(progress, *its)
            self.set_per_bit(n, self.per_bits[n])
