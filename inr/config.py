"""The caller's choices: a model family, a preset, a goal, and at least a quality.

A `CodecConfig` is frozen, and its digest (of its canonical JSON) names it in a store, so two runs
that would produce the same bytes share a key and two that would not never do.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral, Real

from inr.bitstream import FAMILIES
from inr.errors import ConfigError

MODELS = tuple(FAMILIES.values())  # in the order of their numbers
PRESETS = ("draft", "standard", "best")
HIDDEN = ("ignore", "keep")
MIN_LAMBDA, DEFAULT_RD_LAMBDA, MAX_LAMBDA = 1e-5, 0.002, 1.0
MAX_REFITS = 10


def one_of(names: Iterable[str], default: str) -> str:
    """A field that is one of some names; the metadata are read by pydantic, for forms that offer them."""
    chosen: str = field(default=default, metadata={"json_schema_extra": {"enum": list(names)}})
    return chosen


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """One way to encode an image.

    Exactly one of `rd_lambda`, `target_psnr_db` and `target_bpp` is set; if none is given,
    `rd_lambda` is `DEFAULT_RD_LAMBDA`.

    Attributes:
        model: Model family, one of `bitstream.FAMILIES`.
        preset: Length of a fit, one of `PRESETS`.
        rd_lambda: λ of Eq. 5, loss = MSE + λ · bpp with pixels in [0, 1]; within [1e-5, 1].
        target_psnr_db: Quality to reach, in dB, within [10, 60].
        target_bpp: Size to reach, in bits per pixel of the whole file, within [0.001, 24].
        seed: Seed of the fit, within [0, 2**32).
        hidden: Whether the colours of fully transparent pixels count in loss and PSNR: "ignore" or "keep".
            Alpha itself always counts.

    Raises:
        ConfigError: A value is out of its range, or more than one goal is set.
    """

    model: str = one_of(MODELS, "cnn")
    preset: str = one_of(PRESETS, "standard")
    rd_lambda: float | None = None
    target_psnr_db: float | None = None
    target_bpp: float | None = None
    seed: int = 0
    hidden: str = one_of(HIDDEN, "ignore")

    def __post_init__(self) -> None:
        if self.model not in FAMILIES.values():
            raise ConfigError(f"model: expected one of {', '.join(FAMILIES.values())}, found {self.model!r}")
        if self.preset not in PRESETS:
            raise ConfigError(f"preset: expected one of {', '.join(PRESETS)}, found {self.preset!r}")
        if self.hidden not in HIDDEN:
            raise ConfigError(f"hidden: expected one of {', '.join(HIDDEN)}, found {self.hidden!r}")
        goals = {
            "rd_lambda": (MIN_LAMBDA, MAX_LAMBDA),
            "target_psnr_db": (10.0, 60.0),
            "target_bpp": (1e-3, 24.0),
        }
        given = {name: getattr(self, name) for name in goals if getattr(self, name) is not None}
        if len(given) > 1:
            raise ConfigError(
                f"expected one of rd_lambda, target_psnr_db, target_bpp, found {', '.join(given)}"
            )
        if not given:
            object.__setattr__(self, "rd_lambda", DEFAULT_RD_LAMBDA)
        for name, value in given.items():
            object.__setattr__(self, name, _number(name, value, *goals[name]))
        object.__setattr__(self, "seed", _whole("seed", self.seed, 0, 2**32 - 1))

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, shortest round-trip numbers."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True)
class Contract:
    """A quality that an encoding must reach, whatever its goal.

    Attributes:
        min_psnr_db: Least PSNR of the decoded image against its original, in dB, within [10, 100].
        max_refits: Fits with a smaller λ after the goal's own, within [0, `MAX_REFITS`].

    Raises:
        ConfigError: A value is out of its range.
    """

    min_psnr_db: float
    max_refits: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "min_psnr_db", _number("min_psnr", self.min_psnr_db, 10, 100, " dB"))
        object.__setattr__(self, "max_refits", _whole("max_refits", self.max_refits, 0, MAX_REFITS))


def _number(name: str, value: object, low: float, high: float, unit: str = "") -> float:
    """A float of any real number in a range, so that equal settings have equal digests."""
    if isinstance(value, Real) and low <= float(value) <= high:
        return float(value)
    raise ConfigError(f"{name}: expected a number from {low:g} to {high:g}{unit}, found {value!r}")


def _whole(name: str, value: object, low: int, high: int) -> int:
    """An int of any whole number in a range."""
    if isinstance(value, Integral) and low <= int(value) <= high:
        return int(value)
    raise ConfigError(f"{name}: expected a whole number from {low} to {high}, found {value!r}")
