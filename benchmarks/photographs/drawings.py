"""Pictures that are no photographs: text, screens, line art, pixel art, logos, charts and maps.

All are drawn from random numbers of their own, so that each stays the same when others change. They are for
the fit of priors (`cutting.py`), which would otherwise learn that every picture is a photograph.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Font = ImageFont.FreeTypeFont
Random = np.random.Generator
SENTENCES = (
    "the of and to in is it that for was on are as with they at be this from have or by one had not but what "
    "all were when we there can an your which their said if do will each about how up out them then she many "
    "some so these would other into has more her two like him see time could no make than first been its who "
    "now people my made over did down only way find use may water long little very after words called just "
    "where most know river stone winter garden letter music window paper light morning village harbour market"
)
WORDS = SENTENCES.split()
PAPER, INK = (246, 242, 230), (34, 30, 36)


def drawings(fonts: Mapping[str, Path], side: int) -> Iterator[tuple[str, Image.Image]]:
    """Every drawing, with its name, as RGB of `side` x `side` pixels.

    Args:
        fonts: Fonts that can be read, by their names; none of them, and nothing is drawn.
        side: Width and height in pixels, 384 or more.
    """
    found = {name: path for name, path in sorted(fonts.items()) if path.exists()}
    for draw in DRAWERS if found else ():
        name = draw.__name__.strip("_")
        random = np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
        yield name, draw(Desk(random, found, side)).convert("RGB")


class Desk:
    """What a drawing is made with."""

    def __init__(self, random: Random, fonts: Mapping[str, Path], side: int) -> None:
        self.random = random
        self.side = side
        self._fonts = fonts

    def font(self, size: int, *kinds: str) -> Font:
        """A font whose name has all of the words, or any."""
        fitting = [path for name, path in self._fonts.items() if all(kind in name for kind in kinds)]
        return ImageFont.truetype(str((fitting or list(self._fonts.values()))[0]), size)

    def sheet(self, colour: tuple[int, int, int]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        """An empty picture, and the pen for it."""
        picture = Image.new("RGB", (self.side, self.side), colour)
        return picture, ImageDraw.Draw(picture)

    def words(self, number: int) -> str:
        """Words of a sentence."""
        return " ".join(self.random.choice(WORDS, number)).capitalize()

    def colour(self, low: int = 0, high: int = 255) -> tuple[int, int, int]:
        """A colour between two levels."""
        red, green, blue = self.random.integers(low, high + 1, 3).tolist()
        return red, green, blue

    def point(self) -> tuple[int, int]:
        """A place in the picture."""
        x, y = self.random.integers(0, self.side, 2).tolist()
        return x, y

    def write_page(self, pen: ImageDraw.ImageDraw, font: Font, colour: tuple[int, int, int]) -> None:
        """Fill the picture with lines of text."""
        height = int(font.size * 1.4)
        for top in range(height, self.side - height, height):
            if self.random.random() > 0.1:
                pen.text((font.size, top), self.words(14), fill=colour, font=font)


def _scanned_page(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet(PAPER)
    desk.write_page(pen, desk.font(19, "Serif"), INK)
    return _scanned(desk, picture)


def _scanned_typescript(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((228, 226, 222))
    desk.write_page(pen, desk.font(15, "Mono"), (60, 58, 70))
    return _scanned(desk, picture)


def _scanned(desk: Desk, picture: Image.Image) -> Image.Image:
    """A print on a scanner: slightly turned and soft, uneven light, noise."""
    angle = desk.random.uniform(-1.5, 1.5)
    turned = picture.rotate(angle, Image.Resampling.BICUBIC, fillcolor=picture.getpixel((0, 0)))
    pixels = np.asarray(turned.filter(ImageFilter.GaussianBlur(0.7)), np.float64)
    pixels *= np.linspace(1, 0.9, desk.side)[:, None, None]
    pixels += desk.random.normal(0, 2.5, (desk.side, desk.side, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _bilevel_text(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((255, 255, 255))
    desk.write_page(pen, desk.font(23, "Serif", "Regular"), (0, 0, 0))
    return picture.convert("1", dither=Image.Dither.NONE)


def _bilevel_dither(desk: Desk) -> Image.Image:
    grid = np.linspace(0, 1, desk.side)
    waves = [
        np.outer(np.sin(a * grid + b), np.cos(b * grid + a)) for a, b in desk.random.uniform(1, 9, (4, 2))
    ]
    grey = 128 + 120 * sum(waves) / len(waves)
    return Image.fromarray(np.asarray(grey).clip(0, 255).astype(np.uint8)).convert("1")


def _line_art(desk: Desk) -> Image.Image:
    picture = Image.new("L", (4 * desk.side, 4 * desk.side), 255)
    pen = ImageDraw.Draw(picture)
    t = np.linspace(0, 1, 60)[:, None]
    for _ in range(36):
        a, b, c, d = desk.random.uniform(-0.1, 1.1, (4, 2)) * 4 * desk.side
        curve = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        pen.line([tuple(point) for point in curve.tolist()], fill=0, width=int(desk.random.integers(4, 14)))
    return picture.resize((desk.side, desk.side), Image.Resampling.LANCZOS)


def _technical_drawing(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((255, 255, 255))
    font = desk.font(11, "Sans")
    for _ in range(14):
        (left, top), extent = desk.point(), int(desk.random.integers(30, 150))
        pen.rectangle((left, top, left + extent, top + extent // 2), outline=(0, 0, 0))
        pen.ellipse((left, top, left + extent // 2, top + extent // 2), outline=(0, 0, 0))
        pen.line((left, top - 12, left + extent, top - 12), fill=(0, 0, 160))
        pen.text((left + extent // 3, top - 26), f"{extent}.0", fill=(0, 0, 160), font=font)
    return picture


def _pixel_figures(desk: Desk) -> Image.Image:
    n = desk.side // 64
    pixels = np.tile(np.array(desk.colour(0, 60), np.uint8), (10 * n, 10 * n, 1))
    for top in range(1, 10 * n, 10):
        for left in range(1, 10 * n, 10):
            palette = np.array([pixels[0, 0], desk.colour(), desk.colour(90), (0, 0, 0)], np.uint8)
            half = palette[desk.random.choice(4, (8, 4), p=(0.3, 0.4, 0.2, 0.1))]
            pixels[top : top + 8, left : left + 8] = np.concatenate([half, half[:, ::-1]], axis=1)
    return _enlarged(desk, pixels)


def _pixel_landscape(desk: Desk) -> Image.Image:
    n = desk.side // 4
    sky, earth, grass = (
        np.array(desk.colour(*levels), np.uint8) for levels in ((120, 230), (40, 110), (60, 180))
    )
    heights = (n * (0.55 + 0.05 * np.cumsum(desk.random.normal(0, 0.25, n)))).clip(20, n - 10).astype(int)
    pixels = np.tile(sky, (n, n, 1))
    for x, height in enumerate(heights):
        pixels[height:, x] = earth
        pixels[height : height + 3, x] = grass
    pixels[desk.random.random((n, n)) < 0.02] = desk.colour(180)
    return _enlarged(desk, pixels)


def _enlarged(desk: Desk, pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels).resize((desk.side, desk.side), Image.Resampling.NEAREST)


def _logos(desk: Desk) -> Image.Image:
    side = 2 * desk.side
    picture = Image.new("RGB", (side, side), (255, 255, 255))
    pen = ImageDraw.Draw(picture)
    for top in range(0, side, side // 2):
        for left in range(0, side, side // 2):
            box = (left + 60, top + 40, left + side // 2 - 60, top + side // 2 - 160)
            pen.rounded_rectangle(box, radius=int(desk.random.integers(20, 160)), fill=desk.colour())
            pen.pieslice(box, 0, int(desk.random.integers(90, 330)), fill=desk.colour())
            name, font = desk.words(1), desk.font(80, "Sans")
            pen.text((left + 60, top + side // 2 - 140), name, fill=desk.colour(0, 120), font=font)
    return picture.resize((desk.side, desk.side), Image.Resampling.LANCZOS)


def _icons(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((240, 240, 244))
    font = desk.font(11, "Sans")
    for top in range(16, desk.side - 64, 72):
        for left in range(16, desk.side - 48, 72):
            shape = (pen.ellipse, pen.rectangle, pen.rounded_rectangle)[int(desk.random.integers(3))]
            shape((left, top, left + 40, top + 40), fill=desk.colour(), outline=desk.colour(0, 90))
            pen.line(
                (left + 10, top + 20, left + 30, top + int(desk.random.integers(5, 35))), fill=(255, 255, 255)
            )
            pen.text((left, top + 46), desk.words(1)[:7], fill=(50, 50, 50), font=font)
    return picture


def _chart(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((255, 255, 255))
    font, right = desk.font(13, "Sans"), desk.side - 20
    for tick in range(40, desk.side - 40, 48):
        pen.line((60, tick, right, tick), fill=(215, 215, 215))
        pen.text((18, tick - 7), f"{desk.side - tick}", fill=(70, 70, 70), font=font)
    for left in range(80, right - 30, 44):
        top = int(desk.random.integers(60, desk.side - 60))
        pen.rectangle((left, top, left + 26, desk.side - 40), fill=desk.colour(60, 220))
    for _ in range(3):
        heights = desk.random.integers(50, desk.side - 60, 11).tolist()
        pen.line(list(zip(range(70, right, 44), heights, strict=False)), fill=desk.colour(0, 160), width=2)
    pen.text((desk.side // 4, 12), desk.words(5), fill=(0, 0, 0), font=desk.font(18, "Sans"))
    return picture


def _window(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((58, 110, 165))
    pen.rectangle((24, 30, desk.side, desk.side), fill=(236, 236, 236), outline=(90, 90, 90))
    pen.rectangle((24, 30, desk.side, 58), fill=(40, 70, 120))
    pen.text((34, 36), desk.words(4), fill=(255, 255, 255), font=desk.font(14, "Sans"))
    font = desk.font(12, "Sans")
    for top in range(72, desk.side - 30, 30):
        pen.text((40, top), desk.words(2), fill=(20, 20, 20), font=font)
        pen.rectangle(
            (190, top - 2, desk.side - 110, top + 18), fill=(255, 255, 255), outline=(150, 150, 150)
        )
        pen.text((196, top), desk.words(int(desk.random.integers(1, 5))), fill=(0, 0, 0), font=font)
        pen.rounded_rectangle((desk.side - 96, top - 2, desk.side - 16, top + 18), 4, fill=(210, 214, 222))
    return picture


def _code(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((30, 31, 38))
    font = desk.font(13, "Mono")
    colours = [desk.colour(120) for _ in range(4)]
    for line, top in enumerate(range(6, desk.side, 18)):
        pen.text((6, top), f"{line + 97:3}", fill=(95, 95, 105), font=font)
        left = 44 + 32 * int(desk.random.integers(0, 4))
        for word in desk.words(int(desk.random.integers(0, 7))).split():
            text = f"{word}{desk.random.choice(['(', ') ', ' = ', ', ', '.', ': '])}"
            pen.text((left, top), text, fill=colours[int(desk.random.integers(4))], font=font)
            left += int(font.getlength(text))
    return picture


def _map(desk: Desk) -> Image.Image:
    picture, pen = desk.sheet((238, 234, 222))
    for colour in ((170, 205, 230), (190, 220, 170), (215, 225, 190)):
        centre = np.array(desk.point())
        angles = np.sort(desk.random.uniform(0, 2 * np.pi, 24))
        radii = desk.random.uniform(60, 190, 24)
        shore = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None]
        pen.polygon([tuple(point) for point in shore.tolist()], fill=colour, outline=(130, 150, 150))
    for width, colour in ((1, (160, 160, 160)), (3, (255, 255, 255)), (5, (240, 190, 90))):
        for _ in range(9 - width):
            pen.line([desk.point(), desk.point(), desk.point()], fill=colour, width=width)
    for _ in range(26):
        pen.text(desk.point(), desk.words(1), fill=(60, 60, 70), font=desk.font(12, "Sans", "Regular"))
    return picture


DRAWERS: tuple[Callable[[Desk], Image.Image], ...] = (
    *(_scanned_page, _scanned_typescript, _bilevel_text, _bilevel_dither, _line_art, _technical_drawing),
    *(_pixel_figures, _pixel_landscape, _logos, _icons, _chart, _window, _code, _map),
)
