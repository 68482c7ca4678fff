"""The loops themselves, in numba."""
