"""Networks with made-up symbols: every architecture the format allows, without a fit."""

import dataclasses
from typing import Any

import numpy as np

from inr.bitstream import Container, Metadata, pack
from inr.cnn.architecture import LatentPyramid
from inr.cnn.arithmetic import MAX_LATENT, MAX_REACH, Ints
from inr.cnn.grids import coding_order
from inr.cnn.network import (
    CnnNetwork,
    MatrixCoding,
    context_model,
    largest_symbol,
    weights_of,
)
from inr.cnn.prior import NO_GAIN, Prior, prior
from inr.coding.pmf import N_SCALES, SCALE_BITS, SCALES
from inr.errors import InvalidField
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
    number: int = 1,
    width: int = 8,
    height: int = 8,
    n_levels: int = 3,
    *,
    more: int = 0,
    gain: int = NO_GAIN,
) -> LatentPyramid:
    """An architecture of family `cnn`, for an image with so many channels more than its prior has.

    It has at most the levels of the prior.
    """
    known = prior(number)
    return LatentPyramid(
        channels=known.channels + more,
        width=width,
        height=height,
        n_levels=min(n_levels, known.n_levels),
        prior=known,
        gain=gain,
    )


def made_up_prior(
    seed: int,
    *,
    channels: int = 3,
    n_levels: int = 9,
    context: int = 4,
    synthesis: int = 6,
    n_residuals: int = 1,
) -> Prior:
    """Networks that no decoder knows, for what needs no file: of any size, with weights of no meaning."""
    rng = np.random.default_rng(seed)
    nothing = Prior(
        number=0,
        rd_lambda=1.0,
        channels=channels,
        n_levels=n_levels,
        context_neurons=context,
        synthesis_neurons=synthesis,
        n_residuals=n_residuals,
        exponents={},
        matrices={},
    )
    size = {"channels": channels, "width": 1, "height": 1, "n_levels": n_levels, "gain": NO_GAIN}
    for name, shape in LatentPyramid(prior=nothing, **size).matrices.items():
        small = name in ("filters", "upsampling")
        exponent = 9 if small or name.startswith("synthesis0") else int(rng.integers(7, 12))
        unit = 2**exponent * (0.3 if small else 0.6 / np.sqrt(shape[1]))
        nothing.exponents[name] = exponent
        nothing.matrices[name] = np.rint(rng.normal(0, unit, shape)).clip(-400, 400).astype(np.int32)
    return nothing


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


def made_up_cnn(shape: LatentPyramid, *, seed: int, spread: float = 3.0, added: float = 40.0) -> CnnNetwork:
    """Random differences from the prior, and latents of mean magnitude `spread`, coarser ones larger.

    Args:
        shape: The architecture.
        seed: Of what is random.
        spread: Mean magnitude of the latents of level 0.
        added: Mean magnitude of a matrix's symbols; three in ten have none but zeros.
    """
    rng = np.random.default_rng(seed)
    matrices, codings = [], []
    for name, size in shape.matrices.items():
        drawn = rng.laplace(0, added, size) * (rng.random() < 0.7)
        symbols = np.rint(drawn).clip(-2047, 2047).astype(np.int32)
        exponent = int(rng.integers(max(1, shape.exponent(name) - 3), shape.exponent(name) + 1))
        matrices.append(_within_limits(shape, name, symbols, exponent))
        codings.append(coding_of(matrices[-1], exponent))
    context = context_model(shape, weights_of(shape, matrices, codings))
    levels: list[Any] = [None] * len(shape.grids)
    reaches = [0] * len(levels)
    for place in coding_order(shape.n_levels):
        size, mean = shape.grid_shapes[place], spread * (1 + shape.grids[place].depth)

        def draw(where: slice, law: Ints, whole: Ints, place: int = place, mean: float = mean) -> Ints:
            low, high = np.maximum(whole - MAX_REACH, -MAX_LATENT), np.minimum(whole + MAX_REACH, MAX_LATENT)
            drawn = np.rint(rng.laplace(0, mean, len(whole))).clip(low, high).astype(np.int32)
            reaches[place] = max(reaches[place], int(np.abs(drawn - whole).max()))
            return drawn

        levels[place] = context.of_grid(place, levels).walk(*size, draw)
    return CnnNetwork(shape=shape, matrices=matrices, codings=codings, levels=levels, reaches=reaches)


def adding_nothing(shape: LatentPyramid, reaches: tuple[int, ...] | None = None) -> CnnNetwork:
    """The prior's networks and the latents that they expect, coded with these reaches; 0 each if None."""
    matrices = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    codings = [MatrixCoding(0, 0)] * len(matrices)
    context = context_model(shape, weights_of(shape, matrices, codings))
    levels: list[Any] = [None] * len(shape.grids)
    for place in coding_order(shape.n_levels):
        size = shape.grid_shapes[place]
        levels[place] = context.of_grid(place, levels).walk(*size, lambda where, law, whole: whole)
    return CnnNetwork(
        shape=shape,
        matrices=matrices,
        codings=codings,
        levels=levels,
        reaches=list(reaches or [0] * len(levels)),
    )


def coding_of(symbols: Ints, exponent: int) -> MatrixCoding:
    """Side information of a matrix: the least mean that has room for its symbols, or more."""
    magnitudes = np.abs(symbols)
    if not magnitudes.any():
        return MatrixCoding(0, 0)
    mean = int(np.searchsorted(SCALES, magnitudes.mean() * (1 << SCALE_BITS)))
    mean = min(mean, N_SCALES - 1)
    while largest_symbol(mean) < magnitudes.max():
        mean += 1
    return MatrixCoding(exponent, mean)


def _within_limits(shape: LatentPyramid, name: str, symbols: Ints, exponent: int) -> Ints:
    """The symbols, or smaller ones, with which no row's magnitudes sum to too much."""
    names = list(shape.matrices)
    others = [np.zeros(size, np.int32) for size in shape.matrices.values()]
    codings = [MatrixCoding(exponent if other == name else 0, 0) for other in names]
    while True:
        others[names.index(name)] = symbols
        try:
            weights_of(shape, others, codings)
        except InvalidField:
            symbols = (symbols / 2).astype(np.int32)
        else:
            return symbols


def container_of(network: Network, metadata: Metadata = Metadata(), **changes: Any) -> Container:
    """The container of a network; `channels` and `planes` among the changes make it a part of an image."""
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
