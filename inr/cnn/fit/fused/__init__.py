"""The twin of plain_losses.py on a graphics card, by kernels in Triton."""
