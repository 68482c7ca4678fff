"""What is no photograph, as `inr archive` stores it, against AVIF and lossless WebP.

    python -m benchmarks.pictures --out benchmarks/results/pictures

Six kinds of pictures, and one with opaque alpha, are drawn in two sizes; `--images` adds those of a folder.
Each is archived with the default goal and verified from its stored bytes. It passes if nothing of its quality
or better is smaller: no AVIF, no lossless WebP, and not the original.
"""

import argparse
import hashlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import frame
from inr import CodecConfig
from inr.metrics import psnr_db, visible_pixels
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import Stored
from tasks.errors import InrError
from tasks.originals.forms import lifted
from tasks.originals.listing import SourceImage
from tasks.originals.opening import open_picture
from tasks.settings import RunOptions
from tasks.steps.compress import compress_images
from tasks.steps.jobs import ArchiveJob
from tasks.steps.verify import read_intact, verify_image
from tasks.store.locations import open_store

SIZES = ((96, 96), (640, 400))
LETTERS = np.array(list("eeeeetttaaaooiinnsshhrrddllcumwfgypbvkEATOINS,.-0123456789"))
Ink = tuple[int, ...] | int | str
AVIF_QUALITIES = (30, 50, 65, 75, 85, 92, 97, 100)
EXACT_DB = 100.0  # stands for an infinite PSNR, which JSON has not


@dataclass(frozen=True)
class Point:
    """A picture and what is stored of it, beside what others make of it.

    Attributes:
        name: Name of the picture.
        width: Pixels.
        height: Pixels.
        n_original: Size of its file in bytes.
        n_stored: Size of what is stored.
        model: `lossless`, or the model of the bitstream.
        suffix: Suffix of what is stored.
        psnr_db: PSNR of what is stored, as verified; None if it is exact.
        attempts: Fits that were made.
        encode_seconds: Time to encode.
        n_webp: Size as lossless WebP.
        n_avif: Size of the smallest AVIF of at least that PSNR; None if none has it.
        avif_db: PSNR of the best AVIF that is no larger than what is stored, `EXACT_DB` if it is exact; None
            if none is that small.
        is_opaque_exact: Whether alpha of one value came back exactly; None without such alpha.
    """

    name: str
    width: int
    height: int
    n_original: int
    n_stored: int
    model: str
    suffix: str
    psnr_db: float | None
    attempts: int
    encode_seconds: float
    n_webp: int
    n_avif: int | None
    avif_db: float | None
    is_opaque_exact: bool | None

    @property
    def passes(self) -> bool:
        """Whether nothing of at least its quality is smaller, and opaque alpha is exact."""
        least = min(self.n_webp, self.n_avif or self.n_webp, self.n_original)
        return self.n_stored <= least and self.is_opaque_exact is not False


@dataclass(frozen=True)
class Result:
    """The pictures in order."""

    points: Sequence[Point]


def _text(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], ink: Ink, size: int) -> None:
    """Fill a box with lines of made-up words, no two alike."""
    font, rng = ImageFont.load_default(size), np.random.default_rng(size)
    for top in range(box[1], box[3] - size, size + 4):
        words = ["".join(rng.choice(LETTERS, rng.integers(2, 9))) for _ in range(box[2] // size)]
        draw.text((box[0], top), " ".join(words)[: (box[2] - box[0]) * 2 // size], ink, font)


def screenshot(width: int, height: int) -> Image.Image:
    """A window with a title, buttons, a list, and a shaded picture."""
    image = Image.new("RGB", (width, height), (236, 238, 241))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, 16), (48, 92, 160))
    _text(draw, (6, 1, width - 50, 17), "white", 11)
    for n, colour in enumerate(((250, 95, 87), (254, 188, 46), (40, 201, 64))):
        draw.ellipse((width - 44 + 14 * n, 4, width - 36 + 14 * n, 12), colour)
    _text(draw, (6, 22, 2 * width // 3, height - 4), (30, 30, 34), 10)
    for y in range(24, height // 2):
        shade = 255 * (y - 24) // (height // 2)
        draw.line((2 * width // 3 + 6, y, width - 7, y), (shade, 120, 255 - shade))
    draw.rounded_rectangle((2 * width // 3 + 6, height - 26, width - 7, height - 8), 5, (48, 92, 160))
    return image


def pixel_art(width: int, height: int) -> Image.Image:
    """Sprites of sixteen by sixteen in six colours, each pixel four by four."""
    rng = np.random.default_rng(5)
    palette = np.array(
        [[0, 0, 0], [255, 255, 255], [220, 50, 40], [40, 90, 220], [250, 210, 60], [60, 160, 70]]
    )
    sprites = [np.hstack((half, half[:, ::-1])) for half in rng.integers(0, 6, (4, 16, 8))]
    rows = [[sprites[rng.integers(4)] for _ in range(-(-width // 64))] for _ in range(-(-height // 64))]
    indices = np.kron(np.block(rows), np.ones((4, 4), dtype=int))[:height, :width]
    return Image.fromarray(palette[indices].astype(np.uint8))


def line_art(width: int, height: int) -> Image.Image:
    """Thin smooth curves in grey on white."""
    image = Image.new("L", (4 * width, 4 * height), 255)
    draw = ImageDraw.Draw(image)
    for n in range(9):
        x = np.linspace(0, 4 * width, 400)
        y = 2 * height + (180 + 20 * n) * np.sin(x / (60 + 12 * n) + n)
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), 0, 5)
    return image.resize((width, height), Image.Resampling.BOX)


def bilevel(width: int, height: int) -> Image.Image:
    """Text in black and white alone, as a fax has it."""
    image = Image.new("1", (width, height), 1)
    draw = ImageDraw.Draw(image)
    draw.fontmode = "1"
    _text(draw, (4, 2, width, height), 0, 12)
    return image.convert("L")


def grey_text(width: int, height: int) -> Image.Image:
    """Smooth text on grey paper."""
    image = Image.new("L", (width, height), 233)
    _text(ImageDraw.Draw(image), (4, 2, width, height), 40, 12)
    return image


def logo(width: int, height: int) -> Image.Image:
    """A mark with smooth edges; alpha 0 around it."""
    large = Image.new("RGBA", (4 * width, 4 * height), (0, 0, 0, 0))
    draw, side = ImageDraw.Draw(large), 4 * min(width, height)
    draw.ellipse((side // 8, side // 8, 7 * side // 8, 7 * side // 8), (200, 40, 60, 255))
    draw.rectangle((3 * side // 8, side // 4, 5 * side // 8, 3 * side // 4), (255, 255, 255, 255))
    return large.resize((width, height), Image.Resampling.BOX)


def opaque(width: int, height: int) -> Image.Image:
    """The screenshot, with alpha that hides nothing."""
    image = screenshot(width, height)
    image.putalpha(255)
    return image


KINDS: dict[str, Callable[[int, int], Image.Image]] = {
    "screenshot": screenshot,
    "pixel art": pixel_art,
    "line art": line_art,
    "bilevel": bilevel,
    "grey text": grey_text,
    "logo": logo,
    "opaque": opaque,
}


def drawn(folder: Path) -> Iterator[Path]:
    """Draw every kind in every size, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES:
        for name, draw in KINDS.items():
            path = folder / f"{name} {width}x{height}.png"
            draw(width, height).save(path)
            yield path


def stored(path: Path, job: ArchiveJob) -> Point:
    """Archive a picture, verify it from its stored bytes, and compare.

    Raises:
        InrError: It could not be archived.
    """
    data = path.read_bytes()
    image = SourceImage(hashlib.sha256(data).hexdigest(), path.absolute().as_uri(), path.name, len(data))
    [made] = compress_images([image], job)
    if isinstance(made, Exception):
        raise made
    assert isinstance(made, Stored)  # in a store of its own nobody else archives it
    verified = verify_image(made, job).verification.psnr_db
    original = open_picture(data, max_pixels=1 << 26).pixels
    decoded = read_intact(open_store(job.store), made)[0].pixels
    avifs = [(len(file), psnr) for file, psnr in _avifs(original)]
    has_opaque = original.shape[2] % 2 == 0 and np.ptp(original[:, :, -1]) == 0
    return Point(
        name=path.stem,
        width=original.shape[1],
        height=original.shape[0],
        n_original=len(data),
        n_stored=made.file.n_bytes,
        model=made.model,
        suffix=Path(made.file.key).suffix,
        psnr_db=verified if math.isfinite(verified) else None,
        attempts=made.effort.attempts,
        encode_seconds=made.effort.encode_seconds,
        n_webp=len(_saved(original, "WEBP", lossless=True, method=6, quality=100)),
        n_avif=min((n for n, psnr in avifs if psnr >= verified), default=None),
        avif_db=max((min(psnr, EXACT_DB) for n, psnr in avifs if n <= made.file.n_bytes), default=None),
        is_opaque_exact=np.array_equal(original[:, :, -1], decoded[:, :, -1]) if has_opaque else None,
    )


def _saved(pixels: np.ndarray, format_: str, **options: object) -> bytes:
    file = io.BytesIO()
    shown = lifted(pixels, 4 if pixels.shape[2] % 2 == 0 else 3)
    Image.fromarray(shown).save(file, format_, **options)
    return file.getvalue()


def _avifs(pixels: np.ndarray) -> Iterator[tuple[bytes, float]]:
    """Files in AVIF over qualities, with their PSNR."""
    shown = lifted(pixels, 4 if pixels.shape[2] % 2 == 0 else 3)
    for subsampling in ("4:2:0", "4:4:4"):
        for quality in AVIF_QUALITIES:
            file = _saved(pixels, "AVIF", quality=quality, subsampling=subsampling, speed=4)
            with Image.open(io.BytesIO(file)) as opened:
                decoded = np.asarray(opened.convert("RGB" if shown.shape[2] == 3 else "RGBA"))
            yield file, psnr_db(reference=shown, decoded=decoded, visible=visible_pixels(shown))


def options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this benchmark."""
    parser.add_argument("--images", type=Path, help="a folder whose pictures are archived too")
    parser.add_argument("--preset", default="standard", help="length of the fits, where some are made")
    parser.add_argument("--model", default="cnn", help="family of the fits")
    parser.add_argument("--n-steps", type=int, help="steps of the fits in place of the preset's")


def _config(arguments: argparse.Namespace) -> CodecConfig:
    return CodecConfig(model=arguments.model, preset=arguments.preset)


def measure(arguments: argparse.Namespace) -> Result:
    """Archive and compare every picture."""
    config = _config(arguments)
    run_options = RunOptions(device="cpu")
    recipe, store = Recipe(config, n_steps=arguments.n_steps), str(arguments.work / "store")
    job = ArchiveJob(run_id="pictures", store=store, recipe=recipe, options=run_options)
    more = sorted(arguments.images.iterdir()) if arguments.images else []
    points = []
    for path in (*more, *drawn(arguments.work / "drawn")):
        try:
            points.append(stored(path, job))
        except InrError as error:
            print(f"{path.name}: {error}")
            continue
        print(points[-1])
    return Result(points)


def page(result: Result, arguments: argparse.Namespace) -> list[str]:
    """The page: a table of the pictures."""
    header = ("picture", "pixels", "original", "stored", "as", "PSNR, dB", "fits", "s")
    others = ("lossless WebP", "AVIF as good", "AVIF as small, dB", "opaque alpha", "passes")
    rows = [
        [
            point.name,
            f"{point.width}x{point.height}",
            str(point.n_original),
            str(point.n_stored),
            f"{point.model} {point.suffix}",
            "exact" if point.psnr_db is None else f"{point.psnr_db:.2f}",
            str(point.attempts),
            f"{point.encode_seconds:.1f}",
            str(point.n_webp),
            "none" if point.n_avif is None else str(point.n_avif),
            "exact" if point.avif_db == EXACT_DB else frame.number(point.avif_db, 2),
            {None: "", True: "exact", False: "CHANGED"}[point.is_opaque_exact],
            "yes" if point.passes else "NO",
        ]
        for point in result.points
    ]
    n_passed = sum(point.passes for point in result.points)
    return [
        "# What is no photograph",
        f"- {Recipe(_config(arguments), n_steps=arguments.n_steps).describe()}; sizes in bytes",
        "- Lossless WebP: libwebp by Pillow, method 6, quality 100. AVIF: Pillow, speed 4, 4:2:0 and 4:4:4",
        "- AVIF as good: the smallest of at least that PSNR. AVIF as small: the best of at most that size",
        "- Passes: no lossless WebP, AVIF as good or original is smaller, and opaque alpha is exact",
        f"- {n_passed} of {len(result.points)} pass",
        *frame.table((*header, *others), rows),
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.pictures", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()
