"""The files that one image may become, each measured: those of its fits, and the one of a single colour.

A fit gets the channels and the samples that need a network; here the rest is put back before anything is
measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inr.bitstream import Container, Metadata, Planes, pack
from inr.coding.coder import Symbols
from inr.coding.planes import merge, planes_of, split
from inr.fit.hidden import filled
from inr.fit.requests import Fitted
from inr.fit.steering import Aim
from inr.metrics import bpp, mse, psnr_of, visible_pixels
from inr.network import Network, Sections
from inr.search import Attempt

_ROUNDING = 1 / 12 / 255**2  # what it adds to the error of samples in [0, 1] to round them to 8 bits
_LEAST_ERROR = 1e-8


@dataclass(frozen=True, eq=False)
class Candidate:
    """A file that an image may become.

    Attributes:
        bitstream: The file.
        network: Its network; None if it has none.
        pixels: uint8 [height, width, channels] that it decodes to.
        estimated_rate_bits: Bits of the payload by the fit's estimate, and of the file around it.
        error: Mean squared error against the original, over the samples that count.
        rate_bpp: 8 · bytes of the file / (width · height).
    """

    bitstream: bytes
    network: Network | None
    pixels: NDArray[np.uint8]
    estimated_rate_bits: float
    error: float
    rate_bpp: float

    @property
    def symbols(self) -> Sequence[Symbols]:
        """All coded tensors, in wire order."""
        return () if self.network is None else self.network.symbols

    @property
    def psnr_db(self) -> float:
        """PSNR against the original, in dB; infinite if all samples that count are equal."""
        return psnr_of(self.error)

    def cost(self, rd_lambda: float) -> float:
        """Eq. 5, measured: MSE + λ · bpp."""
        return self.error + rd_lambda * self.rate_bpp

    def attempt(self, rd_lambda: float) -> Attempt:
        """The candidate as the attempt of a search at some λ."""
        return Attempt(rd_lambda, self.rate_bpp, self.psnr_db, len(self.bitstream))


class Subject:
    """One image as it is fitted, and the files that come of it.

    Args:
        pixels: uint8 [height, width, channels].
        metadata: ICC profile, EXIF and XMP to carry along.
        family: Name of the model family.
        keeps_hidden: Whether the colours of fully transparent pixels count.

    Attributes:
        coded: uint8 [height, width, 0 to 4]: the channels that need a network.
        visible: bool [height, width], whose False pixels count in alpha only; None if all count. Where it is
            given and there is anything to code, alpha is the last channel of `coded`.
    """

    def __init__(
        self, pixels: NDArray[np.uint8], metadata: Metadata, family: str, *, keeps_hidden: bool
    ) -> None:
        pixels = np.ascontiguousarray(pixels)  # torch takes no array that runs backwards
        self.visible = None if keeps_hidden else visible_pixels(pixels)
        self._original, self._metadata, self._family = pixels, metadata, family
        shown = pixels if self.visible is None else filled(pixels, self.visible)
        self._planes = planes_of(shown)
        self.coded = split(shown, self._planes)
        self._mean_colour = np.rint(shown.mean((0, 1))).astype(int)

    def aim(self, *, psnr_db: float | None = None, rate_bpp: float | None = None) -> Aim:
        """What a fit has to end at for its file to have a PSNR, or a rate; exactly one of both is given."""
        height, width, channels = self._original.shape
        if psnr_db is not None:
            n_hidden = 0 if self.visible is None else int((~self.visible).sum())
            shares = [n * height * width - (n - 1) * n_hidden for n in (channels, self.coded.shape[2])]
            error = 10 ** (-psnr_db / 10) * shares[0] / max(1, shares[1])
            return Aim(mse=max(error - _ROUNDING, _LEAST_ERROR))
        assert rate_bpp is not None
        around = self._packed(Sections(b"", b"", b""), self._planes)
        return Aim(bits=max(rate_bpp * height * width - 8 * len(around), 1.0))

    def flat(self) -> Candidate:
        """The file of the image's mean colour, which has no network; exact for an image of one colour."""
        planes = Planes({n: int(value) for n, value in enumerate(self._mean_colour)})
        return self._candidate(None, planes, 0.0)

    def candidate(self, fitted: Fitted) -> Candidate:
        """The file of a fit."""
        return self._candidate(fitted.network, self._planes, fitted.estimated_bits)

    def _candidate(self, network: Network | None, planes: Planes, estimated_bits: float) -> Candidate:
        height, width, channels = self._original.shape
        sections = Sections(b"", b"", b"") if network is None else network.sections()
        rendered = None if network is None else network.render()
        pixels = merge(rendered, planes, (height, width, channels))
        bitstream = self._packed(sections, planes)
        return Candidate(
            bitstream=bitstream,
            network=network,
            pixels=pixels,
            estimated_rate_bits=estimated_bits + 8 * (len(bitstream) - len(sections.payload)),
            error=mse(reference=self._original, decoded=pixels, visible=self.visible),
            rate_bpp=bpp(n_bytes=len(bitstream), width=width, height=height),
        )

    def _packed(self, sections: Sections, planes: Planes) -> bytes:
        height, width, channels = self._original.shape
        return pack(
            Container(
                family=self._family,
                width=width,
                height=height,
                channels=channels,
                architecture=sections.architecture,
                tensors=sections.tensors,
                payload=sections.payload,
                metadata=self._metadata,
                planes=planes,
            )
        )
