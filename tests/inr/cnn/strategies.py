"""Architectures of family `cnn` for generated tests."""

from hypothesis import strategies as st

from inr.cnn.architecture import LatentPyramid
from inr.cnn.prior import N_GAINS, priors
from tests.inr.networks import with_prior

pyramids = st.builds(
    LatentPyramid,
    channels=st.integers(1, 4),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    n_levels=st.integers(1, 8),
    context_neurons=st.integers(2, 12),
    synthesis_neurons=st.integers(2, 12),
    n_residuals=st.integers(0, 2),
) | st.builds(
    with_prior,
    number=st.integers(1, len(priors())),
    more=st.integers(0, 1),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    n_levels=st.integers(1, 8),
    gain=st.integers(0, N_GAINS - 1),
)
