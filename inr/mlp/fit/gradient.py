"""Family `mlp`: Eq. 1 and its gradient, the differentiable twin of `synthesis.synthesize`.

`forward` is the network as one would write it. `DistortionGradient` computes the same function's
loss and gradient by hand, in cache-sized chunks over buffers that are allocated once: autograd
over the whole batch is slower, much of its time going into fresh memory pages.
Tests hold the two against each other.
"""

import math
from collections.abc import Sequence

import torch

from inr.mlp.architecture import TURN_BITS, CoordinateMLP

_CHUNK_PIXELS = {"cpu": 4096, "cuda": 1 << 20}


def axis_features(network: CoordinateMLP, n_pixels: int, longer_side: int) -> torch.Tensor:
    """Fourier features of an axis, float32 [n_pixels, 2 · n_frequencies]: sines, then cosines."""
    phases = torch.from_numpy(network.axis_phases(n_pixels, longer_side))
    angles = phases * (2 * math.pi / (1 << TURN_BITS))
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def forward(
    parameters: Sequence[torch.Tensor], features_x: torch.Tensor, features_y: torch.Tensor
) -> torch.Tensor:
    """The network on the grid spanned by some columns and some rows.

    Args:
        parameters: Matrices and vectors in wire order; those of sine layers in radians.
        features_x: float32 [n_columns, 2 · n_frequencies].
        features_y: float32 [n_rows, 2 · n_frequencies].

    Returns:
        float32 [n_rows · n_columns, channels], nominally in [0, 1].
    """
    half = features_x.shape[1]
    by_column = features_x @ parameters[0][:, :half].T
    by_row = torch.addmm(parameters[1], features_y, parameters[0][:, half:].T)
    hidden = (by_row[:, None] + by_column[None]).flatten(0, 1)
    for weight, bias in zip(parameters[2::2], parameters[3::2], strict=True):
        hidden = torch.nn.functional.linear(hidden.sin(), weight, bias)
    return hidden


class DistortionGradient:
    """Eq. 1 on a batch, and its gradient with respect to every tensor.

    Args:
        network: The architecture.
        device: "cpu" or "cuda".
    """

    def __init__(self, network: CoordinateMLP, device: str) -> None:
        self._network = network
        self._chunk_pixels = _CHUNK_PIXELS[device]
        self._device = device
        self._buffers: list[torch.Tensor] = []

    def _workspace(self, n_pixels: int) -> list[torch.Tensor]:
        """Buffers [n_pixels, n_neurons]: for each layer's sums, for each layer's sines, and a spare one."""
        if not self._buffers or len(self._buffers[0]) < n_pixels:
            shape = (n_pixels, self._network.n_neurons)
            n_buffers = 2 * self._network.depth + 1
            self._buffers = [torch.empty(shape, device=self._device) for _ in range(n_buffers)]
        return [buffer[:n_pixels] for buffer in self._buffers]

    @torch.no_grad()
    def __call__(
        self,
        parameters: Sequence[torch.Tensor],
        features_x: torch.Tensor,
        features_y: torch.Tensor,
        target: torch.Tensor,
        gradients: Sequence[torch.Tensor],
        weights: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Add the gradient of the batch's MSE to `gradients`, and return the MSE.

        Args:
            parameters: See `forward`.
            features_x: See `forward`.
            features_y: See `forward`.
            target: float32 [n_rows, n_columns, channels].
            gradients: One tensor per parameter, of its shape.
            weights: float32 [n_rows, n_columns, channels] of squared errors; all are 1 if it is not given.

        Returns:
            The mean squared error, a scalar on the device.
        """
        half = features_x.shape[1]
        by_column = features_x @ parameters[0][:, :half].T
        by_row = torch.addmm(parameters[1], features_y, parameters[0][:, half:].T)
        column_gradient, row_gradient = torch.zeros_like(by_column), torch.zeros_like(by_row)
        squares = torch.zeros((), device=self._device)
        n_columns = len(by_column)
        n_rows = max(1, self._chunk_pixels // n_columns)
        for top in range(0, len(by_row), n_rows):
            rows = slice(top, min(top + n_rows, len(by_row)))
            buffers = self._workspace((rows.stop - top) * n_columns)
            first = torch.add(
                by_row[rows, None], by_column, out=buffers[0].view(rows.stop - top, n_columns, -1)
            )
            error = self._forward(parameters, buffers, target[rows].flatten(0, 1))
            weighted = error if weights is None else error * weights[rows].flatten(0, 1)
            squares += (weighted * error).sum()
            self._backward(parameters, buffers, weighted.mul_(2 / target.numel()), gradients)
            column_gradient += first.sum(0)
            row_gradient[rows] = first.sum(1)
        gradients[0][:, :half].addmm_(column_gradient.T, features_x)
        gradients[0][:, half:].addmm_(row_gradient.T, features_y)
        gradients[1].add_(row_gradient.sum(0))
        return squares / target.numel()

    def _forward(
        self, parameters: Sequence[torch.Tensor], buffers: list[torch.Tensor], target: torch.Tensor
    ) -> torch.Tensor:
        """Fill `buffers` with each layer's cosine and sine, and return output - target."""
        depth = self._network.depth
        cosines, sines = buffers[:depth], buffers[depth : 2 * depth]
        for layer in range(depth):
            weight, bias = parameters[2 * layer + 2], parameters[2 * layer + 3]
            torch.sin(cosines[layer], out=sines[layer])
            cosines[layer].cos_()
            if layer + 1 < depth:
                torch.addmm(bias, sines[layer], weight.T, out=cosines[layer + 1])
        return torch.addmm(bias, sines[-1], weight.T).sub_(target)

    def _backward(
        self,
        parameters: Sequence[torch.Tensor],
        buffers: list[torch.Tensor],
        gradient: torch.Tensor,
        gradients: Sequence[torch.Tensor],
    ) -> None:
        """Add to `gradients`; leave the gradient at the first layer's sums in buffers[0]."""
        depth = self._network.depth
        cosines, sines, spare = buffers[:depth], buffers[depth : 2 * depth], buffers[-1]
        for layer in range(depth - 1, -1, -1):
            index = 2 * layer + 2
            gradients[index].addmm_(gradient.T, sines[layer])
            gradients[index + 1].add_(gradient.sum(0))
            # The sines are spent once their matrix has its gradient: their buffer takes the next one.
            torch.mm(gradient, parameters[index], out=spare)
            gradient = torch.mul(spare, cosines[layer], out=cosines[layer])
