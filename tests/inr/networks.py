"""Networks with made-up symbols: every architecture the format allows, without a fit."""

import numpy as np

from inr.bitstream import Container, Metadata, pack
from inr.coder import encode_tensors
from inr.decoder import Network
from inr.mlp import CoordinateMLP
from inr.mlp_encoder import coding_of


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


def container_of(network: Network, *, width: int, height: int, metadata: Metadata = Metadata()) -> Container:
    architecture = network.architecture
    return Container(
        family="mlp",
        width=width,
        height=height,
        channels=architecture.channels,
        architecture=architecture.to_bytes(),
        tensors=architecture.codings_to_bytes(network.codings),
        payload=encode_tensors(network.symbols, network.codings),
        metadata=metadata,
    )


def bitstream_of(network: Network, *, width: int, height: int, metadata: Metadata = Metadata()) -> bytes:
    return pack(container_of(network, width=width, height=height, metadata=metadata))
