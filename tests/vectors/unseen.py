"""Faults that no file can show, each with the reason."""

EQUIVALENT: dict[str, str] = {}
