"""Two files side by side: how close their pixels are, how large each is, and a picture to look at."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import inr
from inr.bitstream import MAGIC
from inr.errors import ConfigError
from inr.metrics import bpp
from tasks.originals.forms import lifted, without_opaque_alpha
from tasks.originals.names import printable
from tasks.originals.opening import format_of, open_picture
from tasks.originals.reading import read_named
from tasks.report.quality import Quality, measure_quality
from tasks.settings import RunOptions
from tasks.store.objects import MAX_BITSTREAM_BYTES

Pixels = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CAPTION_MARGIN, CAPTION_SIZE, LINE_HEIGHT = 6, 14, 18
LEAST_WIDTH = 200  # of a picture with its caption, which "99999999 bytes, 99.999 bpp" fits into
LONGEST_NAME = 80  # characters
NO_CHARACTER = "\U0010ffff"  # no font has it, and each draws the same box for all that it does not have
GAIN = 8  # factor on the difference shown: 16 of 255 becomes 128


@dataclass(frozen=True)
class Side:
    """One of the two files: its path, its kind, its size in bytes, and its pixels, u8 [H, W, C]."""

    path: str
    is_bitstream: bool
    n_bytes: int
    pixels: Pixels

    @property
    def rate_bpp(self) -> float:
        """8 · bytes of the file / (width · height)."""
        height, width, _ = self.pixels.shape
        return bpp(n_bytes=self.n_bytes, width=width, height=height)


@dataclass(frozen=True)
class Comparison:
    """Two files and how close they are.

    Attributes:
        first: The original.
        second: The file that is compared with it.
        quality: PSNR, MS-SSIM and FLIP.
        max_difference: Largest difference of any sample, 0 to 255.
    """

    first: Side
    second: Side
    quality: Quality
    max_difference: int


def compare(first: Path, second: Path, options: RunOptions) -> Comparison:
    """Compare two files, each an image or a bitstream; grey counts as RGB where the other has colour.

    Raises:
        SourceError, UnsupportedImage, BitstreamError: One of them cannot be read or decoded.
        ConfigError: They differ in width, height, or in having alpha.
    """
    a, b = open_side(first, options), open_side(second, options)
    reference, decoded = _of_one_shape(a, b)
    difference = np.maximum(reference, decoded) - np.minimum(reference, decoded)
    return Comparison(
        Side(a.path, a.is_bitstream, a.n_bytes, reference),
        Side(b.path, b.is_bitstream, b.n_bytes, decoded),
        measure_quality(reference=reference, decoded=decoded),
        int(difference.max()),
    )


def open_side(path: Path, options: RunOptions) -> Side:
    """Read a file. Its first bytes decide its kind; else the suffix ``.inr`` makes it a bitstream."""
    limit = max(options.max_file_bytes, MAX_BITSTREAM_BYTES)
    data = read_named(path, max_bytes=limit)
    is_named_so = path.suffix.lower() == ".inr"  # as lossless objects of older archives are, too
    is_bitstream = data.startswith(MAGIC) or (is_named_so and format_of(data) is None)
    pixels = (
        inr.decode(data).pixels if is_bitstream else open_picture(data, max_pixels=options.max_pixels).pixels
    )
    return Side(str(path), is_bitstream, len(data), pixels)


def _of_one_shape(a: Side, b: Side) -> tuple[Pixels, Pixels]:
    shapes = [_described(side.pixels) for side in (a, b)]
    first, second = a.pixels, b.pixels
    if first.shape[2] % 2 != second.shape[2] % 2:  # alpha that hides nothing counts as none
        first, second = without_opaque_alpha(first), without_opaque_alpha(second)
    if first.shape[:2] != second.shape[:2] or first.shape[2] % 2 != second.shape[2] % 2:
        raise ConfigError(
            f"expected two images of one size, found {shapes[0]} in {printable(a.path)} "
            f"and {shapes[1]} in {printable(b.path)}"
        )
    n_channels = max(first.shape[2], second.shape[2])
    return lifted(first, n_channels), lifted(second, n_channels)


def _described(pixels: Pixels) -> str:
    height, width, channels = pixels.shape
    return f"{width}x{height}{'' if channels % 2 else ' with alpha'}"


def side_by_side(found: Comparison, gain: int) -> bytes:
    """A PNG: original, decoded, and the difference times `gain`, each under a caption; alpha is left out.

    Pictures narrower than `LEAST_WIDTH` stand in the middle of so many pixels.
    """
    reference, decoded = (_colours(side.pixels) for side in (found.first, found.second))
    difference = (np.maximum(reference, decoded) - np.minimum(reference, decoded)).astype(np.uint16)
    amplified = np.minimum(difference * np.uint16(gain), 255).astype(np.uint8)
    captions = (
        _caption(found.first),
        [*_caption(found.second), f"{found.quality.psnr_db:.2f} dB"],
        [f"difference, {gain} times as large"],
    )
    height, width, _ = reference.shape
    column = max(width, LEAST_WIDTH)
    font = ImageFont.load_default(CAPTION_SIZE)
    texts = [_wrapped(caption, column - 2 * CAPTION_MARGIN, font) for caption in captions]
    top = 2 * CAPTION_MARGIN + LINE_HEIGHT * max(map(len, texts))
    sheet = Image.new("RGB", (3 * column, top + height), "black")
    draw = ImageDraw.Draw(sheet)
    for n, (pixels, lines) in enumerate(zip((reference, decoded, amplified), texts, strict=True)):
        for row, line in enumerate(lines):
            at = n * column + CAPTION_MARGIN, CAPTION_MARGIN + LINE_HEIGHT * row + LINE_HEIGHT // 2
            draw.text(at, line, "white", font, anchor="lm")
        sheet.paste(Image.fromarray(pixels), (n * column + (column - width) // 2, top))
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _colours(pixels: Pixels) -> Pixels:
    return np.repeat(pixels[:, :, :1], 3, axis=2) if pixels.shape[2] < 3 else pixels[:, :, :3]


def _caption(side: Side) -> list[str]:
    """The name of a file, of a long one its beginning and end, and its size."""
    name = printable(Path(side.path).name)
    if len(name) > LONGEST_NAME:
        half = (LONGEST_NAME - 3) // 2
        name = f"{name[:half]}...{name[-half:]}"
    return [name, f"{side.n_bytes} bytes, {side.rate_bpp:.3f} bpp"]


def _wrapped(texts: Sequence[str], width: int, font: Font) -> list[str]:
    """Texts as lines of at most `width` pixels; a character that the font does not have is an escape."""
    lines = []
    for text in texts:
        line = ""
        for part in (_drawable(character, font) for character in text):
            if line and font.getlength(line + part) > width:
                lines.append(line)
                line = ""
            line += part
        lines.append(line)
    return lines


def _drawable(character: str, font: Font) -> str:
    if character.isascii() or bytes(font.getmask(character)) != bytes(font.getmask(NO_CHARACTER)):
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
