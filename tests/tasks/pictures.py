"""Image files of every kind that ingest meets, made in memory."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
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


def page(height: int = 120, width: int = 200) -> NDArray[np.uint8]:
    """Lines of text in black and white alone: u8 [H, W, 1]."""
    sheet = Image.new("1", (width, height), 1)
    draw = ImageDraw.Draw(sheet)
    draw.fontmode = "1"
    letters = np.random.default_rng(0).choice(
        list("an archive of small networks"), (height // 12, width // 8)
    )
    for n, line in enumerate(letters):
        draw.text((4, 12 * n), "".join(line), 0)
    return np.asarray(sheet.convert("L"))[:, :, None]


def file_of(picture: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format_, **options)
    return file.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def phone_exif(orientation: int, order: str = "little") -> bytes:
    """An EXIF block as of a telephone: a maker note that counts from the block's start, and a thumbnail.

    The maker note holds an entry that looks like an orientation, as does the directory of the thumbnail.
    """
    order_of = {"little": "<", "big": ">"}[order]

    def entry(tag: int, kind: int, count: int, value: int) -> bytes:
        held = (
            struct.pack(order_of + "H", value) + b"\0\0" if kind == 3 else struct.pack(order_of + "I", value)
        )
        return struct.pack(order_of + "HHI", tag, kind, count) + held

    thumbnail = file_of(image(6, 8), "JPEG")
    note = b"MAKER\0" + entry(0x0112, 3, 1, 6) + bytes(range(64))
    first = [(0x010F, 2, 4, 0x00585955), (0x0112, 3, 1, orientation), (0x8769, 4, 1, 62)]
    parts = [struct.pack(order_of + "2sHI", b"II" if order == "little" else b"MM", 42, 8)]
    parts += [struct.pack(order_of + "H", len(first)), *(entry(*each) for each in first)]
    second = 62 + 2 + 12 + 4 + len(note)
    parts += [struct.pack(order_of + "I", second), bytes(62 - 8 - 2 - 36 - 4)]
    parts += [struct.pack(order_of + "H", 1), entry(0x927C, 7, len(note), 80), bytes(4), note]
    its = [(0x0112, 3, 1, 6), (0x0201, 4, 1, second + 42), (0x0202, 4, 1, len(thumbnail))]
    parts += [struct.pack(order_of + "H", len(its)), *(entry(*each) for each in its), bytes(4), thumbnail]
    return b"".join(parts)


def png_of(
    width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG with a header and with chunks before its pixels of our choice."""
    whole = png_header(width, height, depth, colour, rows)
    end = 33  # of signature and header
    return whole[:end] + b"".join(png_chunk(*chunk) for chunk in chunks) + whole[end:]


def png_header(width: int, height: int, depth: int = 8, colour: int = 2, rows: bytes = b"") -> bytes:
    """A PNG with a header of our choice."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def photographs(folder: Path, n_images: int) -> Path:
    """Make a folder of so many small photographs, each of another size."""
    folder.mkdir(parents=True)
    for n in range(n_images):
        (folder / f"{n}.png").write_bytes(file_of(photograph(24, 24 + n)))
    return folder
