"""What README claims, each reproducible with one command: `rd`, `speed`, `pipeline`."""
