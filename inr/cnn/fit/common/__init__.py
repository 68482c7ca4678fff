"""What fits on a CPU and fits on a graphics card have in common: losses, schedule, weights, and the end."""
