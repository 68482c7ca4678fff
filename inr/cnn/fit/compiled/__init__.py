"""The losses of a fit by compiled loops, for a CPU with numba."""
