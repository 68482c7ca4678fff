"""Files to make and to measure: one of this codec at a λ, or one of a classical codec at a setting."""

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.frame import timed
from benchmarks.journal import depends_on
from benchmarks.rd import codecs
from benchmarks.rd.results import FilePoint, FittedPoint
from inr.config import CodecConfig

Device = Literal["auto", "cpu", "cuda"]
Pixels = NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
MAX_PIXELS = 1 << 26


@dataclass(frozen=True)
class FitPoint:
    """A file of this codec.

    Attributes:
        image: The original.
        config: Config to encode it with; its goal is a λ.
        device: The device that fits.
        n_threads: Threads of the process that measures.
        n_decodes: Decodes after the first one, of which the median counts; the first one itself if 0.
        code: `benchmarks.frame.codec_digest`.
        folder: The folder that the file goes to.
    """

    image: Path
    config: CodecConfig
    device: Device
    n_threads: int
    n_decodes: int
    code: str
    folder: Path

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        chosen = (self.config.to_json(), self.device, self.n_threads, self.n_decodes)
        depends = depends_on(self.code, file_digest(self.image), *map(str, chosen))
        return f"{self.image.stem} λ={self.config.rd_lambda:g} {depends}"

    def measure(self) -> FittedPoint:
        """Encode the image, write the file, and decode what was written."""
        from inr import decode, encode, inspect

        pixels = read_pixels(self.image)
        encoded, encode_seconds = timed(lambda: encode(pixels, self.config, device=self.device))
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / f"{self.key}.inr"
        written.write_bytes(encoded.bitstream)
        data = written.read_bytes()
        decoded, first = timed(lambda: decode(data))
        more = [timed(lambda: decode(data))[1] for _ in range(self.n_decodes)]
        payload = sum(part.n_bytes for part in inspect(data).sections if part.name == "payload")
        return FittedPoint(
            **measures_of(self.image, pixels, data, decoded.pixels),
            setting=encoded.rd_lambda,
            encode_seconds=encode_seconds,
            decode_seconds=statistics.median(more or [first]),
            estimated_bits=encoded.estimated_rate_bits,
            side_bytes=len(data) - payload,
            n_parameters=encoded.n_parameters,
            device=encoded.device,
        )


@dataclass(frozen=True)
class BaselinePoint:
    """A file of a classical codec, at a setting of its grid."""

    image: Path
    name: str
    setting: float

    @property
    def key(self) -> str:
        """See `benchmarks.journal.Point`."""
        depends = depends_on(codecs.origin(self.name), file_digest(self.image))
        return f"{self.image.stem} {self.name} {self.setting:g} {depends}"

    def measure(self) -> FilePoint:
        """Encode and decode the image; grey is coded as RGB."""
        codec, pixels = codecs.CODECS[self.name], read_pixels(self.image)
        colours = pixels if pixels.shape[2] == 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
        data, encode_seconds = timed(lambda: codec.encode(colours, self.setting))
        decoded, decode_seconds = timed(lambda: codec.decode(data))
        return FilePoint(
            **measures_of(self.image, colours, data, decoded),
            setting=self.setting,
            encode_seconds=encode_seconds,
            decode_seconds=decode_seconds,
        )


def measures_of(image: Path, pixels: Pixels, data: bytes, decoded: Pixels) -> dict[str, Any]:
    """The fields of a `FilePoint` that a file and what it decodes to decide."""
    from inr.metrics import bpp
    from tasks.report.quality import measure_quality

    height, width, _ = pixels.shape
    quality = measure_quality(reference=pixels, decoded=decoded)
    rate = bpp(n_bytes=len(data), width=width, height=height)
    return {"image": image.stem, "n_bytes": len(data), "bpp": rate, **asdict(quality)}


def read_pixels(path: Path) -> Pixels:
    """The image as the archive would open it: uint8 [H, W, C]."""
    from tasks.originals.opening import open_picture

    return open_picture(path.read_bytes(), max_pixels=MAX_PIXELS).pixels


def middle(pixels: Pixels, side: int) -> Pixels:
    """The square of `side` pixels in the middle of a picture, or what it has of it."""
    top, left = (max(0, (n - side) // 2) for n in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def list_images(folder: Path, names: Sequence[str]) -> list[Path]:
    """Images of `folder` by name; those whose stem is in `names`, if any are given.

    Raises:
        FileNotFoundError: A name has no image, or the folder has none.
    """
    found = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES}
    missing = [name for name in names if name not in found]
    if missing or not found:
        wanted = ", ".join(missing) or "images"
        raise FileNotFoundError(f"{folder}: expected {wanted}, found {len(found)} others")
    return [found[name] for name in names] if names else list(found.values())


def crop(image: Path, box: tuple[int, int, int, int], folder: Path) -> Path:
    """A part of an image as a PNG file of the same stem; `box` is left, top, right, bottom in pixels."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{image.stem}.png"
    with Image.open(image) as opened:
        opened.convert("RGB").crop(box).save(path)
    return path


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
