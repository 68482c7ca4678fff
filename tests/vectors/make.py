"""Makes the golden files. A reviewed act, never automatic: what is committed is the promise.

    python -m tests.vectors.make NAME ...

writes NAME.inr and its line in vectors.json; without names, whatever is missing. The digests of an
existing file change only with a new format version.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage import data

from inr import CodecConfig, Metadata, decode, encode
from inr.cnn.prior import N_GAINS
from inr.mlp.architecture import CoordinateMLP
from tests.inr.networks import adding_nothing, bitstream_of, made_up_cnn, made_up_mlp, mlp, pyramid

HERE = Path(__file__).parent
INDEX = HERE / "vectors.json"


def _fitted(pixels: np.ndarray, rd_lambda: float = 5e-4, metadata: Metadata = Metadata()) -> bytes:
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=rd_lambda)
    return encode(np.ascontiguousarray(pixels), config, metadata=metadata, device="cpu").bitstream


def _pyramid(
    number: int,
    width: int,
    height: int,
    n_levels: int = 9,
    *,
    spread: float = 1.0,
    added: float = 6.0,
    **fields: int,
) -> bytes:
    """Made-up latents, and networks with so much added to the prior; at most the prior's levels."""
    shape = pyramid(number, width, height, n_levels, **fields)
    return bitstream_of(made_up_cnn(shape, seed=width * height, spread=spread, added=added))


def _made_up(architecture: CoordinateMLP, width: int, height: int, spread: float = 4.0) -> bytes:
    seed = architecture.n_parameters
    return bitstream_of(made_up_mlp(architecture, seed=seed, width=width, height=height, spread=spread))


def _alpha(pixels: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0, 255, pixels.shape[0] * pixels.shape[1]).astype(np.uint8)
    return np.concatenate([pixels, ramp.reshape(*pixels.shape[:2], 1)], axis=2)


RGB = data.astronaut()[60:200:4, 180:280:4]
GREY = RGB.mean(axis=2, keepdims=True).astype(np.uint8)

FILES: dict[str, Callable[[], bytes]] = {
    "grey": lambda: _fitted(GREY),
    "grey_alpha": lambda: _fitted(_alpha(GREY[:17, :11])),
    "rgb": lambda: _fitted(RGB),
    "rgb_fine": lambda: _fitted(RGB, 3e-5),
    "rgb_metadata": lambda: _fitted(
        RGB[:16],
        metadata=Metadata(icc_profile=b"a profile " * 40, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    ),
    "rgb_alpha": lambda: _fitted(_alpha(RGB[:24, :19])),
    "1x1": lambda: _fitted(RGB[3:4, 4:5]),
    "1x77": lambda: _fitted(data.camera()[100:101, 120:197, None]),
    "63x1": lambda: _fitted(RGB.reshape(-1, 1, 3)[:63]),
    "flat": lambda: _fitted(np.full((40, 70, 3), (12, 200, 255), dtype=np.uint8)),
    "one_layer": lambda: _made_up(mlp(3, 33, 1, 5, 4), 31, 29),
    "one_neuron": lambda: _made_up(mlp(1, 1, 3, 1, 1), 13, 7),
    "sixteen_layers": lambda: _made_up(mlp(3, 9, 16, 3, 2), 24, 18),
    "all_frequencies": lambda: _made_up(mlp(4, 20, 3, 32, 1), 20, 30),
    "wide_symbols": lambda: _made_up(mlp(2, 16, 2, 16, 3), 26, 15, spread=300.0),
    "cnn_grey": lambda: _pyramid(2, 35, 25),
    "cnn_grey_alpha": lambda: _pyramid(2, 11, 17, more=1),
    "cnn_rgb": lambda: _pyramid(1, 131, 75, spread=0.15),
    "cnn_rgb_alpha": lambda: _pyramid(1, 19, 24, more=1),
    "cnn_1x1": lambda: _pyramid(1, 1, 1),
    "cnn_1x77": lambda: _pyramid(2, 77, 1),
    "cnn_63x1": lambda: _pyramid(1, 1, 63),
    "cnn_flat": lambda: bitstream_of(adding_nothing(pyramid(1, 70, 40, 7))),
    "cnn_one_level": lambda: _pyramid(2, 9, 14, 1),
    "cnn_two_levels": lambda: _pyramid(1, 14, 9, 2),
    "cnn_five_levels": lambda: _pyramid(1, 33, 23, 5),
    "cnn_fine": lambda: _pyramid(1, 25, 35, gain=0, spread=6.0),
    "cnn_coarse": lambda: _pyramid(2, 26, 34, gain=N_GAINS - 1, spread=0.2),
    "cnn_between_gains": lambda: _pyramid(1, 23, 18, more=1, gain=19),
    "cnn_wide_weights": lambda: _pyramid(1, 18, 25, more=1, added=300.0),
    "cnn_large_latents": lambda: _pyramid(2, 21, 16, 3, more=1, spread=300.0, added=60.0),
    "wide_layers": lambda: _made_up(mlp(3, 72, 2, 8, 2), 19, 21, spread=1.0),
}


def main(names: list[str]) -> None:
    index = json.loads(INDEX.read_text()) if INDEX.exists() else {}
    for name in names or [name for name in FILES if name not in index]:
        bitstream = FILES[name]()
        (HERE / f"{name}.inr").write_bytes(bitstream)
        decoded = decode(bitstream)
        index[name] = {
            "n_bytes": len(bitstream),
            "shape": list(decoded.pixels.shape),
            "symbols_sha256": decoded.symbols_digest,
            "pixels_sha256": decoded.pixels_digest,
        }
        print(name, index[name]["n_bytes"], index[name]["shape"])
    INDEX.write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
