"""The sets of networks that priors.json has, and from which fit each one goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A fit of one set.

    Attributes:
        name: Name of its files.
        channels: 3 for RGB, 1 for grey.
        rd_lambda: λ of the loss.
        n_passes: Visits of each crop.
        after: The stage whose networks and latents it goes on from; None: it begins with inr's prior.
    """

    name: str
    channels: int
    rd_lambda: float
    n_passes: int
    after: str | None = None


# In the order of the numbers that files name.
STAGES = (
    Stage("rgb_0010", 3, 1e-3, 200),
    Stage("rgb_0040", 3, 4e-3, 60, after="rgb_0010"),
    Stage("rgb_0160", 3, 1.6e-2, 60, after="rgb_0040"),
    Stage("rgb_0003", 3, 3e-4, 60, after="rgb_0010"),
    Stage("grey_0010", 1, 1e-3, 60, after="rgb_0010"),
    Stage("grey_0040", 1, 4e-3, 60, after="grey_0010"),
    Stage("grey_0160", 1, 1.6e-2, 60, after="grey_0040"),
    Stage("grey_0003", 1, 3e-4, 60, after="grey_0010"),
)
