"""Words of messages, for people."""


def counted(n: int, noun: str) -> str:
    """A number of things: 1 image, 2 images."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
