"""From a config's goal to what the fits of one image begin with and aim at."""

import math

from inr.config import CodecConfig
from inr.fit.candidates import Subject
from inr.fit.spectrum import expected_lambda
from inr.fit.steering import Aim
from inr.search import first_lambda


def aim_of(subject: Subject, config: CodecConfig, beyond: float = 0.0) -> Aim | None:
    """Where fits of an image are to end.

    Args:
        subject: The image.
        config: Holds the goal.
        beyond: By how much they are to go beyond a target: dB, or the log of bpp below it.

    Returns:
        The aim; None where λ is the goal.
    """
    if config.target_psnr_db is not None:
        return subject.aim(psnr_db=config.target_psnr_db + beyond)
    if config.target_bpp is not None:
        return subject.aim(rate_bpp=config.target_bpp * math.exp(-beyond))
    return None


def begin_lambda(subject: Subject, config: CodecConfig) -> float:
    """The λ that is given; for a target, the one at which the image is expected to meet it."""
    aim = aim_of(subject, config)
    if aim is None or not subject.coded.size:
        return first_lambda(config)
    return expected_lambda(subject.coded, aim)
