"""Networks with made-up symbols: every architecture the format allows, without a fit."""

import numpy as np

from inr.bitstream import Container, Metadata, pack
from inr.cnn.architecture import LatentPyramid, level_coding, level_laws, matrix_coding
from inr.cnn.fit.trainer import mean_index
from inr.decoder import Network
from inr.mlp.architecture import CoordinateMLP
from inr.mlp.fit.encoder import coding_of


def made_up_network(
    architecture: CoordinateMLP, *, seed: int, spread: float = 4.0, gain: float = 0.4
) -> Network:
    """Heavy-tailed symbols of mean magnitude `spread`; a sine layer's sums spread by `gain` turns."""
    rng = np.random.default_rng(seed)
    symbols, codings = [], []
    for spec in architecture.specs:
        if spec.is_matrix:
            scales = spread * rng.gamma(2, 0.5, (1, spec.shape[1]))
            tensor = np.rint(rng.laplace(0, scales, spec.shape)).clip(-2047, 2047).astype(np.int32)
            step = (0.3 if spec.name == "output.weight" else gain) / (spread * np.sqrt(spec.shape[1]))
            step_index = max(0, round(8 * (np.log2(step) + 14)))
        elif spec.is_phase:
            tensor = np.cumsum(rng.integers(0, 7, spec.shape), dtype=np.int32)
            step_index = int(rng.integers(1, 150))
        else:
            tensor, step_index = rng.integers(-30, 31, spec.shape, dtype=np.int32), 40
        symbols.append(tensor)
        codings.append(coding_of(spec, tensor, step_index))
    return Network(architecture, symbols, codings)


def made_up_pyramid(architecture: LatentPyramid, *, seed: int, spread: float = 3.0) -> Network:
    """Matrices of weights near one and latents of mean magnitude `spread`, coarser ones larger.

    With a prior, matrices add little or nothing to it.
    """
    rng = np.random.default_rng(seed)
    symbols: list[np.ndarray] = []
    codings = []
    for name, shape in architecture.matrices.items():
        if architecture.prior:
            drawn = rng.laplace(0, min(spread, 3.0), shape) * (rng.random() < 0.7)
            symbols.append(np.rint(drawn).clip(-9, 9).astype(np.int32))
            exponent = int(rng.integers(7, 9)) if symbols[-1].any() else 0
            codings.append(matrix_coding(exponent, mean_index(symbols[-1]) if exponent else 0))
            continue
        exponent = 8 if name == "upsampling" else int(rng.integers(5, 9))
        unit = 2**exponent * (0.4 if name == "upsampling" else 0.7 / np.sqrt(shape[1]))
        if name.startswith("synthesis"):
            unit /= 1 + spread / 8
        symbols.append(np.rint(rng.normal(0, unit, shape)).clip(-500, 500).astype(np.int32))
        codings.append(matrix_coding(exponent, mean_index(symbols[-1])))
    context, _ = architecture.networks(symbols, codings)
    for n, shape in enumerate(architecture.level_shapes):
        latents = np.rint(rng.laplace(0, spread * (1 + n), shape)).clip(-900, 900).astype(np.int16)
        codings.append(level_coding(int(np.abs(level_laws(context, latents)[1]).max())))
        symbols.append(latents)
    return Network(architecture, symbols, codings)


def container_of(network: Network, *, width: int, height: int, metadata: Metadata = Metadata()) -> Container:
    architecture = network.architecture
    return Container(
        family="cnn" if isinstance(architecture, LatentPyramid) else "mlp",
        width=width,
        height=height,
        channels=architecture.channels,
        architecture=architecture.to_bytes(),
        tensors=architecture.codings_to_bytes(network.codings),
        payload=architecture.write_payload(network.symbols, network.codings),
        metadata=metadata,
    )


def bitstream_of(network: Network, *, width: int, height: int, metadata: Metadata = Metadata()) -> bytes:
    return pack(container_of(network, width=width, height=height, metadata=metadata))
