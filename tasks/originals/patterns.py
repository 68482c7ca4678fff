"""The files of a source that a run takes, chosen by patterns on their paths below it.

A pattern is a glob: ``*``, ``?`` and ``[a-z]`` stand for characters of one name, ``**`` for any number of
folders. One without a slash names files and folders at any depth, another one a path from the source on. What
names a folder names all that is below it; with a slash at its end a pattern names folders alone. Small and
large letters differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inr.errors import ConfigError


@dataclass(frozen=True)
class Patterns:
    """The files of a source that are taken.

    Attributes:
        include: A file must match one of these; with none, every file does.
        exclude: A file must match none of these.

    Raises:
        ConfigError: A pattern can match nothing.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what matches nothing, for example a path from the root of the disk on."""
        for name, patterns in (("include", self.include), ("exclude", self.exclude)):
            for pattern in patterns:
                if {"", ".", ".."} & set(pattern.removesuffix("/").split("/")):
                    raise ConfigError(
                        f"{name}: expected a pattern for paths below the source, such as *.tif or 2019/**, "
                        f"found {pattern!r}"
                    )

    def takes(self, path: str, *, is_closed: bool = False) -> bool:
        """Whether a file is taken.

        Args:
            path: Its path below the source, as the system has it.
            is_closed: It is a folder that cannot be listed. Some file below may be one to include, so it is
                taken unless all that is below is to be excluded.
        """
        names = [*path.split("/"), *([""] if is_closed else [])]
        is_included = is_closed or not self.include or _is_one_of(self.include, names)
        return is_included and not _is_one_of(self.exclude, names)


def _is_one_of(patterns: Sequence[str], names: Sequence[str]) -> bool:
    return any(_match(_parts(pattern), names) for pattern in patterns)


def _parts(pattern: str) -> list[str]:
    """The names of a pattern from the source on."""
    parts = pattern.removesuffix("/").split("/")
    anywhere = [] if len(parts) > 1 else ["**"]
    return [*anywhere, *parts, *(["**"] if pattern.endswith("/") else [])]


def _match(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a pattern names a path or a folder that it lies in."""
    if not parts:
        return True
    if parts[0] == "**":
        return any(_match(parts[1:], names[start:]) for start in range(len(names)))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _match(parts[1:], names[1:])
