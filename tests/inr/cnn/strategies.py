"""Architectures of family `cnn` for generated tests."""

from hypothesis import strategies as st

from inr.cnn.architecture import LatentPyramid
from inr.cnn.grids import MAX_LEVELS
from inr.cnn.prior import N_GAINS, NO_GAIN, priors
from tests.inr.networks import made_up_prior, pyramid

# Those that a file can have: all channels, levels and gains.
pyramids = st.builds(
    pyramid,
    number=st.integers(1, len(priors())),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    n_levels=st.integers(1, MAX_LEVELS),
    more=st.integers(0, 1),
    gain=st.integers(0, N_GAINS - 1),
)


def _unknown(
    seed: int, size: tuple[int, int], n_levels: int, context: int, synthesis: int, n_residuals: int, more: int
) -> LatentPyramid:
    known = made_up_prior(
        seed, channels=1 + 2 * (seed % 2), context=context, synthesis=synthesis, n_residuals=n_residuals
    )
    return LatentPyramid(
        channels=known.channels + more,
        width=size[0],
        height=size[1],
        n_levels=n_levels,
        prior=known,
        gain=NO_GAIN,
    )


# Those of networks of other sizes, which no file can have, for what needs none.
unknown_pyramids = st.builds(
    _unknown,
    seed=st.integers(0, 1000),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    n_levels=st.integers(1, MAX_LEVELS),
    context=st.integers(2, 12),
    synthesis=st.integers(2, 12),
    n_residuals=st.integers(0, 2),
    more=st.integers(0, 1),
)
