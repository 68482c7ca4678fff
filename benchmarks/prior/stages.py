"""The sets of networks that priors.json has, and from which fit each one goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A fit of one set.

    Attributes:
        name: Name of its files.
        channels: 3 for RGB, 1 for grey.
        rd_lambda: λ of the loss.
        n_steps: Steps of each crop.
        after: The stage whose networks and latents it goes on from; None: it begins with inr's prior.
    """

    name: str
    channels: int
    rd_lambda: float
    n_steps: int
    after: str | None = None


# In the order of the numbers that files name.
STAGES = (
    Stage("rgb_0010", 3, 1e-3, 1500),
    Stage("grey_0010", 1, 1e-3, 400, after="rgb_0010"),
    Stage("grey_0040", 1, 4e-3, 300, after="grey_0010"),
)
