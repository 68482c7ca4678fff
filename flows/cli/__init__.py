"""The command line, ``inr``."""
