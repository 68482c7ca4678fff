"""Makes the golden files. A reviewed act, never automatic: what is committed is the promise.

    python -m tests.vectors.make [NAME ...]

writes NAME.inr and its line in vectors.json. Without names it writes every file that needs no fit, the fitted
ones that are missing, the folder `refused/`, and the digest of priors.json in FORMAT.md. It counts the events
that the files are there for; where one is missing, it draws some files again with other seeds, until one has
it, and names these in again.json. So after new priors this is all there is to do: the same priors give the
same bytes. The digests of an existing file change only with the format or a prior.
"""

import hashlib
import itertools
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from inr import Metadata, decode
from inr.cnn.prior import N_GAINS, Prior, priors
from inr.mlp.architecture import CoordinateMLP
from tests.inr.networks import adding_nothing, bitstream_of, made_up_cnn, made_up_mlp, mlp, pyramid
from tests.vectors.events import Counting, expected
from tests.vectors.forging import cnn as forged_cnn
from tests.vectors.forging import mlp as forged_mlp
from tests.vectors.forging import planes
from tests.vectors.forging.raw import colour_prior, grey_prior
from tests.vectors.forging.refusals import cases
from tests.vectors.tables import state_priors

HERE = Path(__file__).parent
INDEX, AGAIN, REFUSED = HERE / "vectors.json", HERE / "again.json", HERE / "refused"
MOST_AGAIN = 8  # seeds that are tried


def _fitted(name: str) -> bytes:
    """A fit of family `mlp`; torch is loaded only here."""
    from skimage import data

    from inr import CodecConfig, encode

    rgb = data.astronaut()[60:200:4, 180:280:4]
    grey = rgb.mean(axis=2, keepdims=True).astype(np.uint8)
    pixels = {
        "grey": grey,
        "grey_alpha": _alpha(grey[:17, :11]),
        "rgb_metadata": rgb[:16],
        "rgb_alpha": _alpha(rgb[:24, :19]),
        "1x1": rgb[3:4, 4:5],
        "1x77": data.camera()[100:101, 120:197, None],
        "63x1": rgb.reshape(-1, 1, 3)[:63],
        "flat": np.full((40, 70, 3), (12, 200, 255), dtype=np.uint8),
        "planes_opaque": np.concatenate([rgb[:16], np.full((16, 25, 1), 255, np.uint8)], axis=2),
    }
    metadata = Metadata()
    if name == "rgb_metadata":
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
        metadata = Metadata(icc_profile=b"a profile " * 40, exif=exif, xmp=b"<x:xmpmeta/>" * 9)
    config = CodecConfig(model="mlp", preset="draft", rd_lambda=3e-5 if name == "rgb_fine" else 5e-4)
    image = np.ascontiguousarray(pixels.get(name, rgb))
    return encode(image, config, metadata=metadata, device="cpu").bitstream


def _alpha(pixels: np.ndarray) -> np.ndarray:
    ramp = np.linspace(0, 255, pixels.shape[0] * pixels.shape[1]).astype(np.uint8)
    return np.concatenate([pixels, ramp.reshape(*pixels.shape[:2], 1)], axis=2)


def _pyramid(
    known: Prior,
    width: int,
    height: int,
    n_levels: int = 9,
    *,
    spread: float = 1.0,
    added: float = 6.0,
    **fields: int,
) -> bytes:
    """Made-up latents, and networks with so much added to the prior; at most the prior's levels."""
    shape = pyramid(known.number, width, height, n_levels, **fields)
    return bitstream_of(made_up_cnn(shape, seed=width * height, spread=spread, added=added))


def _made_up(architecture: CoordinateMLP, width: int, height: int, spread: float = 4.0) -> bytes:
    seed = architecture.n_parameters
    return bitstream_of(made_up_mlp(architecture, seed=seed, width=width, height=height, spread=spread))


FITTED = (
    *("grey", "grey_alpha", "rgb", "rgb_fine", "rgb_metadata", "rgb_alpha", "1x1", "1x77", "63x1", "flat"),
    "planes_opaque",
)
MADE_UP: dict[str, Callable[[], bytes]] = {
    "one_layer": lambda: _made_up(mlp(3, 33, 1, 5, 4), 31, 29),
    "one_neuron": lambda: _made_up(mlp(1, 1, 3, 1, 1), 13, 7),
    "sixteen_layers": lambda: _made_up(mlp(3, 9, 16, 3, 2), 24, 18),
    "all_frequencies": lambda: _made_up(mlp(4, 20, 3, 32, 1), 20, 30),
    "wide_symbols": lambda: _made_up(mlp(2, 16, 2, 16, 3), 26, 15, spread=300.0),
    "cnn_grey": lambda: _pyramid(grey_prior(), 35, 25),
    "cnn_grey_alpha": lambda: _pyramid(grey_prior(), 11, 17, more=1),
    "cnn_rgb": lambda: _pyramid(colour_prior(), 131, 75, spread=0.15),
    "cnn_rgb_alpha": lambda: _pyramid(colour_prior(), 19, 24, more=1),
    "cnn_1x1": lambda: _pyramid(colour_prior(), 1, 1),
    "cnn_1x77": lambda: _pyramid(grey_prior(), 77, 1),
    "cnn_63x1": lambda: _pyramid(colour_prior(), 1, 63),
    "cnn_flat": lambda: bitstream_of(adding_nothing(pyramid(colour_prior().number, 70, 40, 7))),
    "cnn_one_level": lambda: _pyramid(grey_prior(), 9, 14, 1),
    "cnn_two_levels": lambda: _pyramid(colour_prior(), 14, 9, 2),
    "cnn_five_levels": lambda: _pyramid(colour_prior(), 33, 23, 5),
    "cnn_fine": lambda: _pyramid(colour_prior(), 25, 35, gain=0, spread=6.0),
    "cnn_coarse": lambda: _pyramid(grey_prior(), 26, 34, gain=N_GAINS - 1, spread=0.2),
    "cnn_between_gains": lambda: _pyramid(colour_prior(), 23, 18, more=1, gain=19),
    "cnn_wide_weights": lambda: _pyramid(colour_prior(), 18, 25, more=1, added=300.0),
    "cnn_large_latents": lambda: _pyramid(grey_prior(), 21, 16, 3, more=1, spread=300.0, added=60.0),
    "cnn_last_prior": lambda: _pyramid(priors()[-1], 12, 10),
    "wide_layers": lambda: _made_up(mlp(3, 72, 2, 8, 2), 19, 21, spread=1.0),
}
FILES: dict[str, Callable[[], bytes]] = {
    **{name: lambda name=name: _fitted(name) for name in FITTED},
    **MADE_UP,
    **planes.FILES,
    **forged_mlp.FILES,
    **forged_cnn.FILES,
    **{name: lambda name=name: forged_cnn.drawn_again(name) for name in json.loads(AGAIN.read_text())},
}
COUNTED = [name for name in FILES if name not in MADE_UP or name == "cnn_flat"]  # all others take long


def _digest(part: bytes | None) -> str | None:
    return hashlib.sha256(part).hexdigest() if part else None


def entry(bitstream: bytes) -> dict[str, Any]:
    """A file's line in vectors.json: what a decoder must make of it."""
    decoded = decode(bitstream)
    return {
        "n_bytes": len(bitstream),
        "shape": list(decoded.pixels.shape),
        "symbols_sha256": decoded.symbols_digest,
        "pixels_sha256": decoded.pixels_digest,
        "icc_sha256": _digest(decoded.metadata.icc_profile),
        "exif_sha256": _digest(decoded.metadata.exif),
        "xmp_sha256": _digest(decoded.metadata.xmp),
    }


def missing_events(bitstreams: Iterable[bytes], missing: Iterable[str]) -> list[str]:
    """Those of the events that the files do not reach."""
    counting = Counting()
    for bitstream in bitstreams:
        counting.decoder["decode"](bitstream)
    return sorted(event for event in missing if not counting.events[event])


def draw_again(missing: list[str]) -> dict[str, bytes]:
    """Files that reach these events, too: those of other seeds, as few as the order of trials allows."""
    found: dict[str, bytes] = {}
    for n, base in itertools.product(range(1, MOST_AGAIN + 1), forged_cnn.DRAWN):
        if missing:
            bitstream = forged_cnn.drawn_again(f"{base}_{n}")
            left = missing_events([bitstream], missing)
            if left != missing:
                missing, found[f"{base}_{n}"] = left, bitstream
    if missing:
        raise SystemExit("no file reaches\n  " + "\n  ".join(missing))
    return found


def make_refused() -> None:
    """Writes the folder of files that are to be refused, and its index."""
    REFUSED.mkdir(exist_ok=True)
    for path in REFUSED.glob("*.inr"):
        path.unlink()
    index = {}
    for name, case in cases().items():
        (REFUSED / f"{name}.inr").write_bytes(case.make())
        index[name] = {"error": case.error, "rule": case.rule}
    (REFUSED / "refused.json").write_text(json.dumps(index, indent=1) + "\n")
    print(f"refused: {len(index)} files")


def make_again() -> None:
    """Writes again.json and its files."""
    for name in json.loads(AGAIN.read_text()):
        (HERE / f"{name}.inr").unlink(missing_ok=True)
        FILES.pop(name, None)
    counted = ((HERE / f"{name}.inr").read_bytes() for name in COUNTED if name in FILES)
    found = draw_again(missing_events(counted, expected()))
    for name, bitstream in found.items():
        FILES[name] = lambda bitstream=bitstream: bitstream
    AGAIN.write_text(json.dumps(list(found), indent=1) + "\n")


def make_files(names: list[str]) -> None:
    """Writes these files and their lines; a fitted one that is there stays, unless it is named."""
    index = json.loads(INDEX.read_text()) if INDEX.exists() else {}
    for name in names:
        path = HERE / f"{name}.inr"
        bitstream = FILES[name]()
        path.write_bytes(bitstream)
        found = entry(bitstream)
        if index.get(name) != found:
            print(name, found["n_bytes"], found["shape"])
        index[name] = found
    INDEX.write_text(json.dumps({name: index[name] for name in FILES if name in index}, indent=1) + "\n")


def main(names: list[str]) -> None:
    if names:
        return make_files(names)
    state_priors()
    old = set(json.loads(AGAIN.read_text()))
    make_files(
        [
            name
            for name in FILES
            if name not in old and not (name in FITTED and (HERE / f"{name}.inr").exists())
        ]
    )
    make_again()
    make_files(json.loads(AGAIN.read_text()))
    make_refused()


if __name__ == "__main__":
    main(sys.argv[1:])
