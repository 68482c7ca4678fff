"""The packages that hold photographs, and their way into a folder, by the clients of their registries."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from zipfile import ZipFile

LIST = Path(__file__).with_suffix(".json")
CLIENTS = {
    "apt": ("apt-get", "download", "{name}"),
    "npm": ("npm", "pack", "--silent", "{name}@{version}"),
    "pip": (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "{name}=={version}"),
}


@dataclass(frozen=True)
class Package:
    """A package, and what is taken of it.

    Attributes:
        name: The name that its registry knows.
        client: The key of `CLIENTS` that fetches it.
        version: Its version; of a Debian package, the one that was looked at.
        licence: The licence of what is taken, as the package says.
        folder: The folder inside of the package that the files are below.
        photographs: Files that are photographs.
        drawings: Files that are none.
        fonts: Fonts that `drawings.py` writes with.
        left_out: Files that are not taken, and why.
    """

    name: str
    client: str
    version: str
    licence: str
    folder: str
    photographs: Sequence[str] = ()
    drawings: Sequence[str] = ()
    fonts: Sequence[str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> list[str]:
        """Every file that is taken."""
        return [*self.photographs, *self.drawings, *self.fonts]


class PackageError(Exception):
    """A package, or a file of one, is not to be had."""


def read_list(path: Path = LIST) -> list[Package]:
    """The packages."""
    return [Package(**package) for package in json.loads(path.read_text(encoding="utf-8"))]


def fetch(folder: Path, packages: Iterable[Package]) -> list[str]:
    """Fetch what is not in `folder` yet; returns what could not be had, in words."""
    missing = []
    for package in packages:
        target = folder / package.name
        wanted = [name for name in package.files if not (target / name).exists()]
        if not wanted:
            continue
        print(f"{package.name}: {len(wanted)} files", flush=True)
        try:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                _keep(_download(package, Path(work)), package.folder, wanted, target)
        except PackageError as error:
            missing.append(f"{package.name}: {error}")
            print(f"  missing: {error}", flush=True)
    return missing


def _download(package: Package, folder: Path) -> Path:
    command = [part.format(**asdict(package)) for part in CLIENTS[package.client]]
    try:
        _run(command, folder)
        [archive] = folder.iterdir()
        if archive.suffix == ".deb":
            _run(["dpkg-deb", "--fsys-tarfile", archive.name], folder, output=folder / "package.tar")
            archive = folder / "package.tar"
    except (OSError, ValueError) as error:
        raise PackageError(f"{' '.join(command)}: {error}") from None
    return archive


def _run(command: Sequence[str], folder: Path, output: Path = Path(os.devnull)) -> None:
    with output.open("wb") as stdout:
        done = subprocess.run(command, cwd=folder, stdout=stdout, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise PackageError(f"{' '.join(command)} ended with {done.returncode}: {words[-1]}")


def _keep(archive: Path, inside: str, wanted: Sequence[str], target: Path) -> None:
    """Write the wanted files of an archive; the names below `target` are those of the list."""
    left = {f"{inside}/{name}": target / name for name in wanted}
    for name, content in _members(archive, set(left)):
        path = left.pop(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(content)
        part.replace(path)
    if left:
        raise PackageError(f"the package has no {', '.join(left)}")


def _members(archive: Path, names: set[str]) -> Iterator[tuple[str, bytes]]:
    if archive.suffix == ".whl":
        with ZipFile(archive) as wheel:
            yield from ((name, wheel.read(name)) for name in names & set(wheel.namelist()))
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.removeprefix("./").removeprefix("package/")
            content = tar.extractfile(member) if name in names and member.isfile() else None
            if content is not None:
                yield name, content.read()
