"""Made-up points of codecs on images of a megapixel."""

import math
from collections.abc import Sequence

from benchmarks.rd.results import FilePoint, FittedPoint

RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def quality(rate: float, offset: float = 0) -> float:
    """JPEG's PSNR at a rate: 6 dB per doubling."""
    return 31 + offset + 6 * math.log2(rate / 0.4)


def points(image: str, share: float, seconds: float = 1.0, offset: float = 0) -> list[FilePoint]:
    """A codec that needs `share` of the rate of `quality`."""
    return [
        FilePoint(
            image=image,
            setting=float(n),
            n_bytes=round(125_000 * share * rate),
            bpp=share * rate,
            psnr_db=quality(rate, offset),
            ms_ssim=0.9,
            encode_seconds=seconds,
            decode_seconds=0.5,
        )
        for n, rate in enumerate(RATES)
    ]


def fitted(image: str, share: float, offset: float = 0) -> list[FittedPoint]:
    """The same of this codec, with λ falling as the rate rises."""
    return [
        FittedPoint(
            **{**vars(point), "setting": 1 / rate},
            estimated_bits=8.0 * point.n_bytes,
            side_bytes=20,
            n_parameters=9,
            device="cpu",
        )
        for point, rate in zip(points(image, share, 2.0, offset), RATES, strict=True)
    ]


def both(*of_each: Sequence[FilePoint]) -> list[FilePoint]:
    """The points of a codec on several images."""
    return [point for of_one in of_each for point in of_one]
