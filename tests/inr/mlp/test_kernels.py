import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inr.mlp.kernels import sine
from inr.mlp.synthesis import SINE, plain_sine


@given(
    seed=st.integers(0, 2**32 - 1),
    n_pixels=st.integers(1, 50),
    n_neurons=st.integers(1, 40),
    bits=st.integers(0, 14),
    scale=st.floats(2.0**-28, 4.0, width=32),
)
def test_the_compiled_sine_gives_the_floats_that_numpy_gives(
    seed: int, n_pixels: int, n_neurons: int, bits: int, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    sums = rng.integers(-(2**23), 2**23, (n_pixels, n_neurons)).astype(np.float32)
    phase = (rng.integers(0, 2047, n_neurons) / np.float32(4 * 2047)).astype(np.float32)
    coefficients = np.array([c * (1 << bits) for c in SINE], dtype=np.float32)
    plain, compiled = sums.copy(), sums.copy()
    plain_sine(plain, np.float32(scale), phase, coefficients)
    sine(compiled, np.float32(scale), phase, coefficients)
    np.testing.assert_array_equal(plain, compiled)
