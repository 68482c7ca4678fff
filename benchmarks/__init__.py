"""The measurements behind docs/results.md, each made again by one command: see `make help`."""
