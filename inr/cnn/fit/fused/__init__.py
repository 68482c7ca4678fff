"""Fits on an NVIDIA graphics card by kernels in Triton: many images of one size in step."""
