"""What a file carries beside its pixels: metadata that is kept, and notes on what is not."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from inr.bitstream import MAX_METADATA_BYTES, Metadata
from tasks.wording import counted

MAX_NAMES = 20  # that a note lists
MAX_NAME = 40  # characters of each


@dataclass
class Carried:
    """What one file carries.

    Attributes:
        icc_profile: ICC profile, if there is one.
        exif: EXIF block, with or without ``Exif`` and two zeros before it, if there is one.
        xmp: XMP packet, if there is one.
        notes: Sentences on what is dropped, or looks damaged.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    notes: list[str] = field(default_factory=list)

    def drop(self, what: str, names: Iterable[str]) -> None:
        """Note that parts of one kind are dropped, by their names, each once; nothing for no name."""
        found = list(dict.fromkeys(map(shown, names)))
        if found:
            more = f" and {len(found) - MAX_NAMES} more" if len(found) > MAX_NAMES else ""
            self.notes.append(f"{what} dropped: {', '.join(found[:MAX_NAMES])}{more}")

    def drop_resolution(self, x: float, y: float, unit: str) -> None:
        """Note that a resolution is dropped; nothing if it is none."""
        if x and y:
            self.notes.append(f"resolution dropped: {x:g} x {y:g} {unit}")

    def trailing(self, n_bytes: int) -> None:
        """Note that so many bytes after the picture are dropped."""
        if n_bytes > 0:
            self.notes.append(f"{counted(n_bytes, 'byte')} after the picture dropped")

    def metadata(self) -> Metadata:
        """What is kept; a part that no bitstream holds is dropped with a note."""
        parts = {"icc_profile": self.icc_profile, "exif": self.exif, "xmp": self.xmp}
        for name, part in parts.items():
            if part is not None and len(part) > MAX_METADATA_BYTES:
                parts[name] = None
                self.notes.append(
                    f"{name} of {len(part)} bytes dropped: at most {MAX_METADATA_BYTES} are kept"
                )
        return Metadata(**{name: part or None for name, part in parts.items()})


def shown(name: str) -> str:
    """A name from a file as a note may show it."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    return text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"
