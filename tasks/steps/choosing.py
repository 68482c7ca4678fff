"""Bitstream or file without loss: which of the two an image is stored as.

A file without loss is stored where it is no larger than the bitstream, and where it serves the goal better:
for a λ by MSE + λ · bpp, for a rate by being within it. Where this can be foreseen, no fit is made.
The yardstick is lossy WebP: fits do not come to half of its cost, and nothing stored without one costs more.
"""

import functools
import math
from collections.abc import Iterator

from inr import CodecConfig, ContractMissed, Encoded
from inr.fit.candidates import Candidate, Subject
from inr.metrics import psnr_of, visible_pixels
from tasks.catalogue.recipe import Recipe
from tasks.originals.listing import SourceImage
from tasks.originals.lossless import KEPT, LosslessFile, kept_as_it_is, light_size, to_lossless
from tasks.originals.opening import Picture, read_original
from tasks.originals.yardstick import lossy_webp
from tasks.settings import RunOptions

_BEST_OF_LIGHT = 0.5  # the best file without loss is seldom below this share of its light size
_FIT_OF_LOSSY = 0.5  # nor a fit below this share of what lossy WebP costs
_QUALITIES = (75, 30, 95)  # of lossy WebP, the most telling one first
_FALLING_QUALITIES = (100, 95, 80, 50, 20)


class Lossless:
    """The file without loss that one image may be stored as; made only when it may be worth the time.

    Args:
        picture: The image, opened.
        image: Its original.
        recipe: The recipe of the run.
        options: The options of the run.
    """

    def __init__(self, picture: Picture, image: SourceImage, recipe: Recipe, options: RunOptions) -> None:
        self._picture, self._image, self._options, self._config = picture, image, options, recipe.config
        self._keeps_hidden = recipe.config.hidden == "keep"
        self._visible = None if self._keeps_hidden else visible_pixels(picture.pixels)
        self._n_pixels = picture.pixels.shape[0] * picture.pixels.shape[1]
        self._may_be_kept = picture.format in KEPT

    @functools.cached_property
    def file(self) -> LosslessFile:
        """The smallest file that was found, which may be the original as it is.

        Raises:
            SelfCheckFailed: No format holds the picture.
            SourceError: The original cannot be read again, or has changed.
        """
        made = to_lossless(self._picture, self._visible)
        if self._may_be_kept and self._image.n_bytes < made.n_bytes:
            original = read_original(self._image, self._options)
            return kept_as_it_is(original, self._picture, self._visible) or made
        return made

    def notes(self, result: Encoded | ContractMissed | None) -> Iterator[str]:
        """Sentences for the row of an image that is stored as this file.

        Args:
            result: The end of the fits; None without a fit.
        """
        yield from _notes_on_hidden(self._picture, self._config)
        if isinstance(result, Encoded):
            why = f"the bitstream has {len(result.bitstream)} bytes and {result.psnr_db:.2f} dB"
            why += f", without a fit: {result.fallback}" if result.fallback else ""
        else:
            why = "no fit can be hoped to serve the goal better" if result is None else str(result)
        yield f"stored without loss: {why}"
        if self.file.digest == self._image.digest:
            yield "the file is the original as it was"

    def is_better_than(self, encoded: Encoded) -> bool:
        """Return whether the file serves the goal at least as well as a bitstream."""
        n_bytes, target = len(encoded.bitstream), self._config.target_bpp
        if encoded.psnr_db == math.inf:  # of one colour: a few bytes are not worth another form
            return encoded.n_parameters > 0 and self._is_within(n_bytes)
        least_db = self._config.target_psnr_db
        if encoded.fallback is not None and least_db is not None and encoded.psnr_db < least_db:
            return True
        if self._config.rd_lambda is not None:
            return self._is_within(n_bytes + self._bytes_worth(10 ** (-encoded.psnr_db / 10)))
        return self._is_within(n_bytes if target is None else max(n_bytes, target * self._n_pixels / 8))

    def needs_no_fit(self) -> bool:
        """Return whether the file serves the goal better than any bitstream that can be hoped for."""
        picture, config = self._picture, self._config
        subject = Subject(picture.pixels, picture.metadata, config.model, keeps_hidden=self._keeps_hidden)
        flat = subject.flat()
        if flat.error == 0:
            return False
        if config.target_bpp is not None:
            return self._is_within(config.target_bpp * self._n_pixels / 8)
        if config.target_psnr_db is not None:
            return self._is_within(self._hoped_for_psnr(config.target_psnr_db, flat))
        return self._is_within(self._hoped_for_lambda(flat))

    def _is_within(self, n_bytes: float) -> bool:
        """Return whether the file has at most so many bytes; it is only made where that is likely."""
        return self._least_bytes <= n_bytes and self.file.n_bytes <= n_bytes

    @functools.cached_property
    def _least_bytes(self) -> float:
        light = _BEST_OF_LIGHT * light_size(self._picture, self._visible)
        return min(light, self._image.n_bytes) if self._may_be_kept else light

    def _bytes_worth(self, error: float) -> float:
        """The bytes that cost as much as a mean squared error, where λ is the goal."""
        assert self._config.rd_lambda is not None
        return float(error / self._config.rd_lambda * self._n_pixels / 8)

    def _hoped_for_lambda(self, flat: Candidate) -> float:
        """The cost in bytes below which no bitstream is hoped to come."""
        least = len(flat.bitstream) + self._bytes_worth(flat.error)
        for quality in _QUALITIES:
            if self._least_bytes > least:
                break
            lossy = lossy_webp(self._picture.pixels, quality, self._visible)
            if lossy is None:
                return 0
            cost = lossy.n_bytes + self._bytes_worth(lossy.error)
            least = min(least, len(flat.bitstream) + _FIT_OF_LOSSY * cost)
        return least

    def _hoped_for_psnr(self, target_psnr_db: float, flat: Candidate) -> float:
        """The size below which no bitstream is hoped to reach a PSNR."""
        if flat.psnr_db >= target_psnr_db:
            return 0
        for quality in _FALLING_QUALITIES:
            lossy = lossy_webp(self._picture.pixels, quality, self._visible)
            if lossy is None:
                break
            if psnr_of(lossy.error) < target_psnr_db:
                return len(flat.bitstream) + _FIT_OF_LOSSY * lossy.n_bytes
        return 0


def notes_on_bitstream(picture: Picture, config: CodecConfig, encoded: Encoded) -> Iterator[str]:
    """Sentences for the row of an image that is stored as a bitstream."""
    yield from _notes_on_hidden(picture, config)
    if encoded.fallback is not None:
        yield f"stored as its mean colour alone, in place of a fit: {encoded.fallback}"
    elif encoded.n_parameters == 0 and math.isfinite(encoded.psnr_db):
        yield "stored as its mean colour alone, which serves the goal better than a fit"


def _notes_on_hidden(picture: Picture, config: CodecConfig) -> Iterator[str]:
    """What was done with colours that nobody sees, if there are any."""
    if (visible := visible_pixels(picture.pixels)) is not None:
        done = "count" if config.hidden == "keep" else "do not count in PSNR and are not kept"
        yield f"the colours of {int((~visible).sum())} fully transparent pixels {done}"
