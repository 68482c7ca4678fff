"""TIFF: what its tags say of samples, planes and pages, which Pillow takes to be as they most often are.

Pillow unpacks planes that lie apart by single letters of their order, whatever their depth, and reads as many
strips as it is given, so that other pictures than the file's come out without an error. What it is not known
to read right is refused.
"""

import zlib
from collections.abc import Iterator
from math import ceil
from typing import Any

from PIL import Image, TiffImagePlugin, TiffTags

from tasks.errors import UnsupportedImage
from tasks.originals.formats.carried import Carried

MAX_PAGES = 16  # that are looked at to find the picture
_SUBFILE, _OLD_SUBFILE, _SMALLER, _OLD_SMALLER = 254, 255, 1, 2
_PAGE, _OLD_PAGE = 2, 3  # one of several
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _MEANING = 256, 257, 258, 259, 262
_FILL_ORDER, _STRIPS, _SAMPLES, _ROWS, _PLANES, _MAP = 266, 273, 277, 278, 284, 320
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _DIRECTORIES = 322, 323, 324, 330
_INKS, _EXTRA, _SAMPLE_FORMAT = 332, 338, 339
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_STRIP_SIZES, _TILE_SIZES, _JPEG_TABLES, _XMP, _ICC = 279, 325, 347, 700, 34675
_ORIENTATION, _COEFFICIENTS, _SUBSAMPLING, _REFERENCE = 274, 529, 530, 532
_GREY_FROM_WHITE, _GREY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_GREY_FROM_WHITE: 1, _GREY: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_ALPHAS = (1, 2)  # kinds of extra samples: colours multiplied by it, or not
_RAW, _JPEG, _APART, _DEFLATED = 1, 7, 2, (8, 32946)
_MOST_INFLATED = 1 << 29  # bytes; of what inflates to more damage is not looked for
_COEFFICIENTS_601, _FULL_RANGE = (0.299, 0.587, 0.114), (0, 255, 128, 255, 128, 255)
# Tags that say where and how the pixels lie; ICC profile and XMP, which are kept.
_OF_THE_PIXELS = {
    *(_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _MEANING, _FILL_ORDER, _STRIPS, _SAMPLES),
    *(_ROWS, _STRIP_SIZES, _PLANES, _MAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_SIZES, _INKS, _EXTRA),
    *(_SAMPLE_FORMAT, _ORIENTATION, _COEFFICIENTS, _SUBSAMPLING, _REFERENCE, _JPEG_TABLES),
    *(292, 293, 317, 512, 513, 514, 519, 520, 521, 531),  # of compressions; where chroma lies
    *(_XMP, _ICC),
}


def check(image: Image.Image, data: bytes) -> None:
    """Turn to the page that is the picture, and refuse what would be read as something else.

    Raises:
        UnsupportedImage: There are several pictures, or the one is of a kind that is refused.
    """
    _turn_to_the_picture(image)
    tags = _tags(image)
    bits = [number for number in _numbers(tags.get(_BITS)) if number > 8]
    if bits:
        raise UnsupportedImage(f"TIFF: expected at most 8 bits per sample, found {max(bits)}")
    if kinds := {*_numbers(tags.get(_SAMPLE_FORMAT))} - {1}:
        raise UnsupportedImage(f"TIFF: expected unsigned samples, found sample format {max(kinds)}")
    if tags.get(_MEANING) not in _COLOURS:
        raise UnsupportedImage(f"TIFF: photometric interpretation {tags.get(_MEANING)} is not supported")
    if tags.get(_MEANING) == _CMYK and tags.get(_INKS, 1) != 1:
        raise UnsupportedImage("TIFF: expected inks of CMYK, found others")
    _check_strips(tags)
    if tags.get(_COMPRESSION, _RAW) == _RAW and tags[_MEANING] == _YCBCR:
        _check_raw_colours(tags)
    if tags.get(_PLANES, 1) == _APART:
        _check_planes(tags)
    colour_map = tags.get(_MAP)
    if tags.get(_MEANING) == _PALETTE and (not colour_map or (any(colour_map) and max(colour_map) < 256)):
        raise UnsupportedImage("TIFF: expected a palette of 16 bits a colour, found one of 8 or none")


def carried(image: Image.Image, data: bytes) -> Carried:
    """ICC profile and XMP are kept; samples of no stated meaning and all other tags are noted."""
    found, tags = Carried(), _tags(image)
    for name, tag in (("icc_profile", _ICC), ("xmp", _XMP)):
        value = tags.get(tag)
        value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
        if isinstance(value, bytes):
            setattr(found, name, value)
        elif value is not None:
            found.notes.append(f"{TiffTags.lookup(tag).name} dropped: it is no block of bytes")
    for page in range(getattr(image, "n_frames", 1)):
        if page != image.tell():
            found.notes.append(f"page {page + 1} dropped, a smaller version of the picture")
    _note_samples(tags, found)
    if getattr(image, "n_frames", 1) == 1 and _kind(tags) == _SMALLER:
        found.notes.append("the file calls its picture a smaller version of another one")
    colours = tags[_MAP] if tags.get(_MEANING) == _PALETTE else ()
    if all(any(value % width for value in colours) for width in (256, 257)):
        found.notes.append("palette of 16 bits a colour cut to 8")
    found.drop("TIFF tags", _others(tags))
    _note_damage(tags, data, found)
    return found


def orientation(image: Image.Image) -> int | None:
    """What the orientation tag says; None without one. Pillow applies it when it loads the pixels."""
    value = _tags(image).get(_ORIENTATION)
    return value if isinstance(value, int) else None


def _turn_to_the_picture(image: Image.Image) -> None:
    n_pages = getattr(image, "n_frames", 1)
    if n_pages > MAX_PAGES:
        raise UnsupportedImage(f"TIFF: expected one picture, found {n_pages} pages")
    pages = []
    for page in range(n_pages):
        image.seek(page)
        pages.append((image.size, _kind(_tags(image)), _DIRECTORIES in _tags(image)))
    picture = max(range(n_pages), key=lambda page: pages[page][0][0] * pages[page][0][1])
    size, kind, has_more = pages[picture]
    if kind == _SMALLER and (n_pages > 1 or has_more):
        raise UnsupportedImage("TIFF: expected the picture, found smaller versions of it alone")
    others = (its for page, its in enumerate(pages) if page != picture)
    if not all(said == _SMALLER or (said == 0 and _looks_smaller(its, size)) for its, said, _ in others):
        raise UnsupportedImage(f"TIFF: expected one picture, found {n_pages} pages")
    image.seek(picture)


def _kind(tags: Any) -> int:
    """What a page says that it is: 0 nothing, 1 a smaller version of another one, else something else."""
    old = {_OLD_SMALLER: _SMALLER, _OLD_PAGE: _PAGE}.get(tags.get(_OLD_SUBFILE, 0), 0)
    return int(tags.get(_SUBFILE, old))


def _looks_smaller(size: tuple[int, int], whole: tuple[int, int]) -> bool:
    """Whether a page that says nothing has the shape of the other one, and at most half its sides."""
    (width, height), (most_width, most_height) = size, whole
    off = abs(width * most_height - height * most_width)
    return 2 * width <= most_width and 2 * height <= most_height and off <= max(most_width, most_height)


def _check_strips(tags: Any) -> None:
    """Raise unless strips or tiles cover the picture once."""
    width, height = tags[_WIDTH], tags[_HEIGHT]
    rows = tags.get(_ROWS, height)
    across, down = tags.get(_TILE_WIDTH, width), tags.get(_TILE_HEIGHT, height)
    found = tags.get(_TILES if _STRIPS not in tags else _STRIPS) or ()
    if not all(isinstance(side, int) and side > 0 for side in (rows, across, down)):
        raise UnsupportedImage("TIFF: expected strips of one row or more")
    expected = ceil(width / across) * ceil(height / down) if _STRIPS not in tags else ceil(height / rows)
    if tags.get(_PLANES, 1) == _APART:
        expected *= tags.get(_SAMPLES, 1)
    if len(_numbers(found)) != expected:
        raise UnsupportedImage(f"TIFF: strips or tiles: expected {expected}, found {len(_numbers(found))}")


def _check_raw_colours(tags: Any) -> None:
    """Raise where Pillow takes colours without compression for others than they are."""
    is_whole = tuple(_numbers(tags.get(_SUBSAMPLING))) == (1, 1)
    weights = tuple(round(float(weight), 3) for weight in tags.get(_COEFFICIENTS, _COEFFICIENTS_601))
    range_ = tuple(map(float, tags.get(_REFERENCE, _FULL_RANGE)))
    if not is_whole or weights != _COEFFICIENTS_601 or range_ != _FULL_RANGE:
        raise UnsupportedImage(
            "TIFF: expected YCbCr of every pixel, with the usual weights and range, found another"
        )


def _check_planes(tags: Any) -> None:
    """Raise where Pillow takes planes that lie apart for others than they are."""
    is_raw, meaning, extra = tags.get(_COMPRESSION, _RAW) == _RAW, tags[_MEANING], _numbers(tags.get(_EXTRA))
    is_plain = all(number == 8 for number in _numbers(tags.get(_BITS))) and tags.get(_FILL_ORDER, 1) == 1
    if tags.get(_SAMPLES, 1) == 1:
        is_known = not is_raw or (is_plain and meaning in (_GREY, _PALETTE))
    else:
        is_known = is_plain and meaning in (_RGB, _CMYK) and 1 not in extra
    if not is_known:
        raise UnsupportedImage("TIFF: planes that lie apart are not supported for samples of this kind")


def _note_samples(tags: Any, found: Carried) -> None:
    extra = _numbers(tags.get(_EXTRA))
    n_more = tags.get(_SAMPLES, 1) - _COLOURS[tags[_MEANING]]
    n_dropped = sum(kind not in (*_ALPHAS, 999) for kind in extra)
    if n_dropped:
        samples = "a sample" if n_dropped == 1 else f"{n_dropped} samples"
        found.notes.append(f"{samples} of no stated meaning dropped, beside the colours")
    if n_more > 0 and (not extra or extra[0] == 999):
        found.notes.append("a sample of no stated meaning taken for alpha")
    if extra and extra[0] == 1:
        found.notes.append("colours that were multiplied by alpha divided by it")


def _note_damage(tags: Any, data: bytes, found: Carried) -> None:
    """Note the first strip of JPEG or deflate that is damaged: libtiff looks at no checksum, say."""
    damage = {_JPEG: _damage_of_jpeg, **dict.fromkeys(_DEFLATED, _damage_of_deflate)}.get(
        tags.get(_COMPRESSION)
    )
    if damage is None:
        return
    offsets = _numbers(tags.get(_STRIPS, tags.get(_TILES)))
    sizes = _numbers(tags.get(_STRIP_SIZES, tags.get(_TILE_SIZES)))
    for n, (at, size) in enumerate(zip(offsets, sizes, strict=False), 1):
        if what := damage(tags, data[at : at + size]):
            found.notes.append(f"damaged: {what} of strip or tile {n}")
            return


def _damage_of_jpeg(tags: Any, strip: bytes) -> str:
    from tasks.originals.formats.scans import check_scans  # loads numba, which a plan does without

    tables = tags.get(_JPEG_TABLES, b"")
    return check_scans(tables[:-2] + strip[2:] if tables else strip).damage


def _damage_of_deflate(tags: Any, strip: bytes) -> str:
    stream, rest, n_bytes = zlib.decompressobj(), strip, 0
    try:
        while not stream.eof and n_bytes < _MOST_INFLATED:
            plain = stream.decompress(rest, 1 << 20)
            rest, n_bytes = stream.unconsumed_tail, n_bytes + len(plain)
            if not plain and not rest:
                return "the end before the stream is whole" if not stream.eof else ""
    except zlib.error:
        return "a stream that is none, or whose checksum is another,"
    return ""


def _others(tags: Any) -> Iterator[str]:
    is_square = tags.get(_RESOLUTION_UNIT) == 1 and tags.get(_X_RESOLUTION) == tags.get(_Y_RESOLUTION)
    silent = {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT} if is_square else set()
    for tag in tags:
        if tag not in _OF_THE_PIXELS | silent:
            name = TiffTags.lookup(tag).name
            yield f"number {tag}" if name == "unknown" else name


def _tags(image: Image.Image) -> Any:
    return image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}


def _numbers(value: Any) -> list[int]:
    """The numbers of a tag, which Pillow gives alone where there is one."""
    if value is None:
        return []
    return list(value) if isinstance(value, tuple | list) else [value]
