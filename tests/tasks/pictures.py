"""Image files of every kind that ingest meets, made in memory."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data


def gradient(height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """A smooth picture, different in every channel: u8 [H, W, C]."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * (3 + c) + y * (5 - c)) * 255 / (8 * max(height, width)) for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def image(height: int = 12, width: int = 16, channels: int = 3) -> Image.Image:
    pixels = gradient(height, width, channels)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def photograph(height: int = 12, width: int = 16, channels: int = 3) -> Image.Image:
    """A small photograph with much contrast, which no file without loss holds as cheaply as a fit."""
    left = min(44, 128 - width)
    found = np.ascontiguousarray(data.astronaut()[::4, ::4][16 : 16 + height, left : left + width])
    planes = np.concatenate([found, found[::-1, :, :1]], axis=2)[:, :, :channels]
    return Image.fromarray(planes[:, :, 0] if channels == 1 else planes)


def file_of(picture: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG with a header of our choice."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
