"""The header of a JPEG XL codestream (ISO/IEC 18181-1, annex D), as far as it says what the pixels are.

It is read here, before libjxl sees the file, since libjxl allocates what a header asks for.
"""

from dataclasses import dataclass

from tasks.errors import UnsupportedImage
from tasks.originals.formats.exif import UPRIGHT
from tasks.originals.formats.jxl.boxes import CODESTREAM
from tasks.wording import counted

MAX_BYTES = 2048  # of a header that is taken; most have a dozen
_RATIOS = {1: (1, 1), 2: (6, 5), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))  # each a least value, and how many bits are added to it
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_RGB, _GREY = 0, 1
_ALPHA = 0
_SRGB = (1, 1, 13)  # white point, primaries and transfer function
_CUSTOM = 2
_XY = ((0, 19), (524288, 19), (1048576, 20), (2097152, 21))
_GAMMA = 0  # in the place of a transfer function


@dataclass(frozen=True)
class Header:
    """What a header says of a picture that is taken.

    Attributes:
        size: Width and height of the upright picture.
        mode: L, LA, RGB or RGBA.
        depth: Bits of a sample, 1 to 8.
        orientation: How the samples lie, 1 to 8, as EXIF has it.
        colours: Numbers of white point, primaries and transfer function, if they are not those of sRGB.
        shown_size: Width and height in which the picture asks to be shown, if it does.
    """

    size: tuple[int, int]
    mode: str
    depth: int
    orientation: int
    colours: tuple[int, int, int] | None
    shown_size: tuple[int, int] | None


def read_header(stream: bytes) -> Header:
    """Read the header of a codestream.

    Raises:
        UnsupportedImage: It is cut, or of a picture that is not taken: an animation, more than 8 bits
            a sample, channels beside colours and alpha, or an ICC profile.
    """
    if not stream.startswith(CODESTREAM):
        raise UnsupportedImage(f"JPEG XL: damaged: expected a codestream, found {stream[:2]!r}")
    bits = _Bits(stream[len(CODESTREAM) : MAX_BYTES])
    width, height = _size(bits)
    if bits.flag():
        return Header((width, height), "RGB", 8, UPRIGHT, None, None)
    orientation, shown_size = _extra_fields(bits) if bits.flag() else (UPRIGHT, None)
    depth = _depth(bits)
    bits.flag()  # whether 16 bits are enough to decode with
    has_alpha = _has_alpha(bits, depth)
    bits.flag()  # whether the colours are those of the eye, as those of lossy files are
    is_grey, colours = (False, None) if bits.flag() else _colours(bits)
    size = (width, height) if orientation <= 4 else (height, width)
    mode = ("L" if is_grey else "RGB") + "A" * has_alpha
    return Header(size, mode, depth, orientation, colours, shown_size)


class _Bits:
    """Bits from the least significant one of each byte on."""

    def __init__(self, data: bytes) -> None:
        self._bits, self._n, self._at = int.from_bytes(data, "little"), 8 * len(data), 0

    def take(self, n: int) -> int:
        """A number of `n` bits."""
        if self._at + n > self._n:
            raise UnsupportedImage(
                f"JPEG XL: damaged: the header goes on after {counted(self._n // 8, 'byte')}"
            )
        self._at += n
        return self._bits >> self._at - n & (1 << n) - 1

    def flag(self) -> bool:
        return self.take(1) == 1

    def one_of(self, ranges: tuple[tuple[int, int], ...]) -> int:
        """A number in one of four ranges: the least of it, and as many bits as are added to that."""
        least, n = ranges[self.take(2)]
        return least + self.take(n)


def _size(bits: _Bits) -> tuple[int, int]:
    """Width and height."""
    in_eights = bits.flag()

    def side() -> int:
        return 8 * (1 + bits.take(5)) if in_eights else bits.one_of(_SIDE)

    height, ratio = side(), bits.take(3)
    if not ratio:
        return side(), height
    of_width, of_height = _RATIOS[ratio]
    return height * of_width // of_height, height


def _extra_fields(bits: _Bits) -> tuple[int, tuple[int, int] | None]:
    """Orientation, and the size to be shown in."""
    orientation = 1 + bits.take(3)
    shown_size = _size(bits) if bits.flag() else None
    for what in ("a preview", "an animation"):
        if bits.flag():
            raise UnsupportedImage(f"JPEG XL: expected one picture, found {what}")
    return orientation, shown_size


def _depth(bits: _Bits) -> int:
    """Bits of a sample."""
    is_float = bits.flag()
    depth = bits.one_of(
        ((32, 0), (16, 0), (24, 0), (1, 6)) if is_float else ((8, 0), (10, 0), (12, 0), (1, 6))
    )
    if is_float or depth > 8:
        kind = ", as floats" if is_float else ""
        raise UnsupportedImage(f"JPEG XL: expected at most 8 bits per sample, found {depth}{kind}")
    return depth


def _has_alpha(bits: _Bits, depth: int) -> bool:
    """Whether there is alpha as Pillow has it; any other channel is refused."""
    n_channels = bits.one_of(((0, 0), (1, 0), (2, 4), (1, 12)))
    if n_channels > 1:
        raise UnsupportedImage(
            f"JPEG XL: expected colours and alpha, found {n_channels} channels beside colours"
        )
    if not n_channels:
        return False
    if bits.flag():
        found, shift, is_associated = 8, 0, False
    else:
        if (kind := bits.one_of(_ENUM)) != _ALPHA:
            raise UnsupportedImage(f"JPEG XL: expected colours and alpha, found one of kind {kind}")
        found, shift = _depth(bits), bits.one_of(((0, 0), (3, 0), (4, 0), (1, 3)))
        for _ in range(bits.one_of(((0, 0), (0, 4), (16, 5), (48, 10)))):
            bits.take(8)  # of its name
        is_associated = bits.flag()
    if (found, shift, is_associated) != (depth, 0, False):
        kind_ = (
            "multiplied into the colours"
            if is_associated
            else f"of {counted(found, 'bit')}, 1 of {1 << shift} a side"
        )
        raise UnsupportedImage(
            f"JPEG XL: expected alpha of {counted(depth, 'bit')} a pixel, found alpha {kind_}"
        )
    return True


def _colours(bits: _Bits) -> tuple[bool, tuple[int, int, int] | None]:
    """Whether there is grey alone, and what the colours are if not sRGB."""
    has_profile, space = bits.flag(), bits.one_of(_ENUM)
    if has_profile:
        raise UnsupportedImage("JPEG XL: expected no ICC profile, which could not be kept, found one")
    if space not in (_RGB, _GREY):
        raise UnsupportedImage(f"JPEG XL: expected RGB or grey, found colour space {space}")
    white = _chromaticities(bits, 1)
    primaries = _chromaticities(bits, 3) if space == _RGB else _SRGB[1]
    if bits.flag():
        bits.take(24)
        transfer = _GAMMA
    else:
        transfer = bits.one_of(_ENUM)
    found = (white, primaries, transfer)
    return space == _GREY, None if found == _SRGB else found


def _chromaticities(bits: _Bits, n: int) -> int:
    """The number of a white point or of primaries; where they are given by themselves, they are skipped."""
    if (found := bits.one_of(_ENUM)) == _CUSTOM:
        for _ in range(2 * n):
            bits.one_of(_XY)
    return found
