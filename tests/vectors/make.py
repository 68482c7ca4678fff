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
from inr.cnn.architecture import LatentPyramid
from inr.mlp.architecture import CoordinateMLP
from tests.inr.networks import bitstream_of, made_up_cnn, made_up_mlp, mlp, pyramid

HERE = Path(__file__).parent
INDEX = HERE / "vectors.json"


def _fitted(
    pixels: np.ndarray, rd_lambda: float = 5e-4, metadata: Metadata = Metadata(), model: str = "mlp"
) -> bytes:
    config = CodecConfig(model=model, preset="draft", rd_lambda=rd_lambda)
    return encode(np.ascontiguousarray(pixels), config, metadata=metadata, device="cpu").bitstream


def _pyramid(pixels: np.ndarray, rd_lambda: float = 5e-4) -> bytes:
    return _fitted(pixels, rd_lambda, model="cnn")


def _made_up_pyramid(architecture: LatentPyramid, spread: float = 3.0) -> bytes:
    return bitstream_of(made_up_cnn(architecture, seed=architecture.n_parameters, spread=spread))


def _made_up(architecture: CoordinateMLP, width: int, height: int, spread: float = 4.0) -> bytes:
    seed = architecture.n_parameters
    return bitstream_of(made_up_mlp(architecture, seed=seed, width=width, height=height, spread=spread))


def _alpha(pixels: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0, 255, pixels.shape[0] * pixels.shape[1]).astype(np.uint8)
    return np.concatenate([pixels, ramp.reshape(*pixels.shape[:2], 1)], axis=2)


RGB = data.astronaut()[60:200:4, 180:280:4]
GREY = RGB.mean(axis=2, keepdims=True).astype(np.uint8)

# Fitted files named cnn_ are from before there were priors, those named cnn_prior_ from after.
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
    "cnn_grey": lambda: _pyramid(GREY),
    "cnn_grey_alpha": lambda: _pyramid(_alpha(GREY[:17, :11])),
    "cnn_rgb": lambda: _pyramid(data.astronaut()[20:172, 150:278]),
    "cnn_rgb_fine": lambda: _pyramid(RGB, 3e-5),
    "cnn_rgb_alpha": lambda: _pyramid(_alpha(RGB[:24, :19])),
    "cnn_1x1": lambda: _pyramid(RGB[3:4, 4:5]),
    "cnn_1x77": lambda: _pyramid(data.camera()[100:101, 120:197, None], 1e-5),
    "cnn_63x1": lambda: _pyramid(RGB.reshape(-1, 1, 3)[:63], 1e-5),
    "cnn_flat": lambda: _pyramid(np.full((40, 70, 3), (12, 200, 255), dtype=np.uint8)),
    "cnn_prior_rgb": lambda: _pyramid(data.astronaut()[20:116, 170:266]),
    "cnn_prior_rgb_alpha": lambda: _pyramid(_alpha(RGB[:24, :19])),
    "cnn_prior_grey": lambda: _pyramid(GREY),
    "cnn_prior_grey_alpha": lambda: _pyramid(_alpha(GREY[:17, :11])),
    "cnn_prior_fine": lambda: _pyramid(RGB, 1e-5),
    "cnn_prior_coarse": lambda: _pyramid(RGB, 5e-2),
    "cnn_one_level": lambda: _made_up_pyramid(pyramid(1, 9, 14, 1, 2, 2, 0)),
    "cnn_eight_levels": lambda: _made_up_pyramid(pyramid(3, 23, 17, 8, 5, 7, 1)),
    "cnn_wide": lambda: _made_up_pyramid(pyramid(4, 18, 25, 3, 32, 64, 2)),
    "cnn_large_latents": lambda: _made_up_pyramid(pyramid(2, 21, 16, 4, 8, 8, 2), spread=300.0),
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
