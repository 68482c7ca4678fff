"""The quality contract: the least PSNR an archived image may have, and what is done to meet it.

A fit that misses it is repeated with a smaller λ, a bounded number of times. What no fit meets is
stored without loss, by `tasks.originals.lossless`; so nothing in an archive is below its contract, which
verification checks once more on the stored bytes.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from inr import CodecConfig, Contract, Encoded, FitDiverged

SMALLEST_LAMBDA = 1e-5  # that a `CodecConfig` takes
TYPICAL_DB = 2.6  # that a fit gains where λ becomes smaller by a factor of e
SPARE_DB = 0.2  # fits scatter: aim that much higher


@dataclass(frozen=True)
class Fitted:
    """The encodings of one image, in the order in which they were made; the last one counts.

    Attributes:
        encodings: Each of them.
        is_met: Whether the last one meets the contract; True where there is none.
    """

    encodings: tuple[Encoded, ...]
    is_met: bool

    @property
    def n_attempts(self) -> int:
        """Fits of all encodings, restarts aside."""
        return sum(max(1, len(encoded.attempts)) for encoded in self.encodings)

    def describe(self, contract: Contract) -> str:
        """Why an image is stored without loss, for its row."""
        best = max((encoded.psnr_db for encoded in self.encodings), default=None)
        reached = (
            "no fit succeeded" if best is None else f"the best of {self.n_attempts} fits has {best:.2f} dB"
        )
        return f"stored without loss: {reached}, below the contract of {contract.min_psnr_db:g} dB"


def fit_to_contract(
    config: CodecConfig, contract: Contract | None, encode: Callable[[CodecConfig], Encoded]
) -> Fitted:
    """Encode, and again with a smaller λ while the contract is missed and refits are left.

    Args:
        config: Of the first fit.
        contract: What to reach; the first fit is taken as it is if None.
        encode: Encodes the image under a config.

    Raises:
        FitDiverged: The fit did, and there is no contract to meet in another way.
        EncodeError: See `encode`; deadlines are the image's, not a fit's.
    """
    if contract is None:
        return Fitted((encode(config),), is_met=True)
    made: list[Encoded] = []
    wanted: CodecConfig | None = config
    try:
        while wanted is not None:
            made.append(encode(wanted))
            if made[-1].psnr_db >= contract.min_psnr_db:
                return Fitted(tuple(made), is_met=True)
            wanted = _refit(config, contract, made)
    except FitDiverged:  # an image that no network holds is stored without loss too
        pass
    return Fitted(tuple(made), is_met=False)


def _refit(config: CodecConfig, contract: Contract, made: list[Encoded]) -> CodecConfig | None:
    """The config of the next fit, or None if refits or λ are used up."""
    last = made[-1]
    missing_db = contract.min_psnr_db + SPARE_DB - last.psnr_db
    rd_lambda = max(SMALLEST_LAMBDA, last.rd_lambda * min(0.5, math.exp(-missing_db / TYPICAL_DB)))
    if len(made) > contract.max_refits or rd_lambda >= last.rd_lambda:
        return None
    return dataclasses.replace(config, rd_lambda=rd_lambda, target_psnr_db=None, target_bpp=None)
