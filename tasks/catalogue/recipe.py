"""The recipe of an image's file: all that decides its bytes beside the image, and the digest in its key."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import NamedTuple

import inr
from inr.bitstream import FORMAT_VERSION
from inr.config import CodecConfig, Contract
from inr.errors import ConfigError

USUAL_PRESET = CodecConfig().preset
GOALS = ("rd_lambda", "target_psnr_db", "target_bpp")


class Goal(NamedTuple):
    """The aim of a fit: its name, one of `GOALS`, and its value."""

    name: str
    value: float

    def __str__(self) -> str:
        form = {"rd_lambda": "λ {:g}", "target_psnr_db": "{:g} dB", "target_bpp": "{:g} bpp"}
        return form.get(self.name, self.name + " {:g}").format(self.value)


@dataclass(frozen=True)
class Recipe:
    """The way in which an image becomes a file.

    Attributes:
        config: Model, preset, goal and seed.
        contract: The PSNR that the image must reach; None if any PSNR is taken.
        n_steps: Optimiser steps of each fit, at least 1; None for those of the config's preset.
        seconds_per_image: Time of each image in all, in seconds, into which its fits are fitted; None if
            their length is given otherwise.
        in_hours: True if the time of each image is its share of the hours of its run.

    At most one of `n_steps`, `seconds_per_image` and `in_hours` is set. It stands in place of the preset;
    beside the last two the preset must be the usual one, and says nothing.

    Raises:
        ConfigError: A value is out of its range, or more than one is to say how long a fit is.
    """

    config: CodecConfig
    contract: Contract | None = None
    n_steps: int | None = None
    seconds_per_image: float | None = None
    in_hours: bool = False

    def __post_init__(self) -> None:
        """Refuse before a run begins what no run can do."""
        if self.n_steps is not None and self.n_steps < 1:
            raise ConfigError(f"n_steps: expected at least 1, found {self.n_steps}")
        seconds = self.seconds_per_image
        if seconds is not None and not (math.isfinite(seconds) and seconds > 0):
            raise ConfigError(f"seconds_per_image: expected a number above 0, found {seconds!r}")
        given = {"n_steps": self.n_steps, "seconds_per_image": seconds, "hours": self.in_hours or None}
        names = [name for name, value in given.items() if value is not None]
        if self.has_budget and self.config.preset != USUAL_PRESET:
            names.append(f"preset {self.config.preset}")
        if len(names) > 1:
            raise ConfigError(f"expected one to say how long a fit is, found {' and '.join(names)}")

    @property
    def has_budget(self) -> bool:
        """Whether fits are as long as a time allows."""
        return self.seconds_per_image is not None or self.in_hours

    @property
    def length(self) -> str:
        """How long a fit is, in place of which at most one thing is said: a preset, steps, or a time."""
        if self.seconds_per_image is not None:
            return f"{self.seconds_per_image:g} s"
        if self.in_hours:
            return "in hours"
        return self.config.preset if self.n_steps is None else f"{self.n_steps} steps"

    def archive_digest(self) -> str:
        """SHA-256 over config, contract, length, format and encoder version, as 64 hexadecimal digits.

        How many hours a run had is no part of it: another run goes on where it ended.
        """
        decides: dict[str, object] = {
            "config": self.config.digest(),
            "encoder": inr.__version__,
            "format": FORMAT_VERSION,
        }
        if self.contract is not None:
            decides["contract"] = dataclasses.asdict(self.contract)
        if self.n_steps is not None:
            decides["n_steps"] = self.n_steps
        if self.seconds_per_image is not None:
            decides["seconds_per_image"] = float(self.seconds_per_image)
        if self.in_hours:
            decides["in_hours"] = True
        return hashlib.sha256(json.dumps(decides, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def goal(self) -> Goal:
        """The goal of the config."""
        for name in GOALS:
            if (value := getattr(self.config, name)) is not None:
                return Goal(name, float(value))
        raise ConfigError(f"config: expected one of {', '.join(GOALS)}, found none")

    def describe(self) -> str:
        """Model, length of a fit, goal, contract and hidden colours, for people."""
        name, value = self.goal
        least = f", at least {self.contract.min_psnr_db:g} dB" if self.contract else ""
        hidden = ", hidden colours kept" if self.config.hidden == "keep" else ""
        return f"{self.config.model} {self.length}, {name} = {value:g}{least}{hidden}"


@dataclass(frozen=True)
class Setting:
    """A recipe as rows have it; they do not say how often a contract may refit.

    Attributes:
        archive_digest: See `Recipe.archive_digest`.
        config_digest: SHA-256 of `config_json`.
        config_json: The config, as canonical JSON.
        model: Model family asked for.
        preset: Length of a fit that was asked for, see `Recipe.length`.
        goal: Name of the goal, one of `GOALS`.
        goal_value: λ, dB or bits per pixel asked for.
        seed: Seed of the fit.
        min_psnr_db: Least PSNR by contract, in dB; None without a contract.
    """

    archive_digest: str
    config_digest: str
    config_json: str
    model: str
    preset: str
    goal: str
    goal_value: float
    seed: int
    min_psnr_db: float | None

    @property
    def keeps_hidden(self) -> bool:
        """Whether the colours of fully transparent pixels count, as the config has it."""
        return bool(json.loads(self.config_json)["hidden"] == "keep")

    @classmethod
    def of(cls, recipe: Recipe) -> "Setting":
        """The setting of a recipe."""
        config = recipe.config
        return cls(
            archive_digest=recipe.archive_digest(),
            config_digest=config.digest(),
            config_json=config.to_json(),
            model=config.model,
            preset=recipe.length,
            goal=recipe.goal.name,
            goal_value=recipe.goal.value,
            seed=config.seed,
            min_psnr_db=recipe.contract.min_psnr_db if recipe.contract else None,
        )
