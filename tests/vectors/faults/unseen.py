"""Faults that no file can show, each with the reason."""

MISSED = "Missed"
EQUIVALENT: dict[str, tuple[str, ...]] = {}


def reasons() -> dict[str, str]:
    """By the name of a fault, why no file can show it."""
    return {name: reason for reason, names in EQUIVALENT.items() for name in names}
