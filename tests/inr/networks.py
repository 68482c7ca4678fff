"""Networks with made-up symbols: every architecture the format allows, without a fit."""

import dataclasses
from typing import Any

import numpy as np

from inr.bitstream import Container, Metadata, pack
from inr.cnn.architecture import LatentPyramid
from inr.cnn.fit.trainer import mean_index
from inr.cnn.laplace import MAX_REACH
from inr.cnn.levels import level_laws
from inr.cnn.network import CnnNetwork, MatrixCoding, context_model, weights_of
from inr.cnn.prior import prior
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.encoder import network_of
from inr.mlp.network import MlpNetwork
from inr.network import Network


def mlp(channels: int, n_neurons: int, depth: int, n_frequencies: int, spacing: int) -> CoordinateMLP:
    """An architecture of family `mlp`, in the order of its fields."""
    fields = dataclasses.fields(CoordinateMLP)
    values = (channels, n_neurons, depth, n_frequencies, spacing)
    return CoordinateMLP(**{field.name: value for field, value in zip(fields, values, strict=True)})


def pyramid(
    channels: int, width: int, height: int, n_levels: int, context: int, synthesis: int, n_residuals: int
) -> LatentPyramid:
    """An architecture of family `cnn` without a prior, in the order of its fields."""
    return LatentPyramid(
        channels=channels,
        width=width,
        height=height,
        n_levels=n_levels,
        context_neurons=context,
        synthesis_neurons=synthesis,
        n_residuals=n_residuals,
    )


def with_prior(
    number: int, *, more: int = 0, width: int = 8, height: int = 8, n_levels: int = 3, gain: int = 12
) -> LatentPyramid:
    """An architecture of family `cnn` with a prior, for an image with so many channels more than it has."""
    known = prior(number)
    neurons, synthesis_neurons, n_residuals = known.neurons
    return LatentPyramid(
        channels=known.channels + more,
        width=width,
        height=height,
        n_levels=min(n_levels, known.n_levels),
        context_neurons=neurons,
        synthesis_neurons=synthesis_neurons,
        n_residuals=n_residuals,
        prior=known,
        gain=gain,
    )


def made_up_mlp(
    architecture: CoordinateMLP,
    *,
    seed: int,
    width: int,
    height: int,
    spread: float = 4.0,
    gain: float = 0.4,
) -> MlpNetwork:
    """Heavy-tailed symbols of mean magnitude `spread`; a sine layer's sums spread by `gain` turns."""
    rng = np.random.default_rng(seed)
    symbols, steps = [], []
    for spec in architecture.specs:
        if spec.is_matrix:
            scales = spread * rng.gamma(2, 0.5, (1, spec.shape[1]))
            tensor = np.rint(rng.laplace(0, scales, spec.shape)).clip(-2047, 2047).astype(np.int32)
            step = (0.3 if spec.name == "output.weight" else gain) / (spread * np.sqrt(spec.shape[1]))
            steps.append(max(0, round(8 * (np.log2(step) + 14))))
        elif spec.is_phase:
            tensor = np.cumsum(rng.integers(0, 7, spec.shape), dtype=np.int32)
            steps.append(int(rng.integers(1, 150)))
        else:
            tensor = rng.integers(-30, 31, spec.shape, dtype=np.int32)
            steps.append(40)
        symbols.append(tensor)
    return network_of(architecture, symbols, steps, (height, width, architecture.channels))


def made_up_cnn(shape: LatentPyramid, *, seed: int, spread: float = 3.0) -> CnnNetwork:
    """Matrices of weights near one and latents of mean magnitude `spread`, coarser ones larger.

    With a prior, matrices add little or nothing to it.
    """
    rng = np.random.default_rng(seed)
    matrices, codings = [], []
    for name, size in shape.matrices.items():
        if shape.prior:
            drawn = rng.laplace(0, min(spread, 3.0), size) * (rng.random() < 0.7)
            matrices.append(np.rint(drawn).clip(-9, 9).astype(np.int32))
            exponent = int(rng.integers(7, 9)) if matrices[-1].any() else 0
            codings.append(MatrixCoding(exponent, mean_index(matrices[-1]) if exponent else 0))
            continue
        exponent = 8 if name == "upsampling" else int(rng.integers(5, 9))
        unit = 2**exponent * (0.4 if name == "upsampling" else 0.7 / np.sqrt(size[1]))
        if name.startswith("synthesis"):
            unit /= 1 + spread / 8
        matrices.append(np.rint(rng.normal(0, unit, size)).clip(-500, 500).astype(np.int32))
        codings.append(MatrixCoding(exponent, mean_index(matrices[-1])))
    context = context_model(weights_of(shape, matrices, codings))
    levels, reaches = [], []
    for n, size in enumerate(shape.level_shapes):
        latents = np.rint(rng.laplace(0, spread * (1 + n), size)).clip(-900, 900).astype(np.int16)
        while (reach := int(np.abs(level_laws(context, latents)[1]).max())) > MAX_REACH:
            latents //= 2
        levels.append(latents)
        reaches.append(reach)
    return CnnNetwork(shape=shape, matrices=matrices, codings=codings, levels=levels, reaches=reaches)


def container_of(network: Network, metadata: Metadata = Metadata(), **changes: Any) -> Container:
    """The container of a network."""
    sections, shape = network.sections(), network.render().shape
    container = Container(
        family=network.family,
        width=shape[1],
        height=shape[0],
        channels=shape[2],
        architecture=sections.architecture,
        tensors=sections.tensors,
        payload=sections.payload,
        metadata=metadata,
    )
    return dataclasses.replace(container, **changes)


def bitstream_of(network: Network, metadata: Metadata = Metadata()) -> bytes:
    """The file of a network."""
    return pack(container_of(network, metadata))
