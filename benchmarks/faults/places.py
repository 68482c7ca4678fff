"""The places of faults: photographs, and a store, in folders or in a bucket."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import boto3

from benchmarks.faults.commands import Command, Ended, environment, wait_until
from benchmarks.samples import make_crops

SIDE = 16  # pixels; small, so that a fit takes a second or two
S3_SCHEME = "s3://"


class Files(Protocol):
    """Files under names, as bytes: how this program looks at a source or a store, past `inr`."""

    def names(self) -> list[str]:
        """The names of all files there are."""

    def read(self, name: str) -> bytes:
        """The bytes of one; raises an `OSError` if it cannot be read."""


@dataclass(frozen=True)
class Folder:
    """Files of a folder."""

    path: Path

    def names(self) -> list[str]:
        """See `Files`."""
        found = (Path(folder) / name for folder, _, names in os.walk(self.path) for name in names)
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def read(self, name: str) -> bytes:
        """See `Files`."""
        return (self.path / name).read_bytes()


@dataclass(frozen=True)
class Bucket:
    """Objects below a prefix of the bucket ``archive``."""

    variables: dict[str, str]
    prefix: str

    def names(self) -> list[str]:
        """See `Files`."""
        pages = self._client().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket="archive", Prefix=f"{self.prefix}/")
        keys = [each["Key"] for page in found for each in page.get("Contents", ())]
        return sorted(key[len(self.prefix) + 1 :] for key in keys)

    def read(self, name: str) -> bytes:
        """See `Files`."""
        answer = self._client().get_object(Bucket="archive", Key=f"{self.prefix}/{name}")
        data: bytes = answer["Body"].read()
        return data

    def write(self, name: str, data: bytes) -> None:
        """Put an object there."""
        self._client().put_object(Bucket="archive", Key=f"{self.prefix}/{name}", Body=data)

    def _client(self) -> "boto3.client":
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.variables["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            region_name=self.variables["AWS_DEFAULT_REGION"],
        )


@dataclass
class Place:
    """A source and a store, and how `inr` reaches both.

    Attributes:
        folder: Everything of this fault that lies on disk.
        source: The source as `inr` is given it; `originals`: the same as this program reads it.
        store: The store as `inr` is given it; `stored`: the same as this program reads it.
        variables: The environment of `inr`, beyond what every process has.
        digests: SHA-256 of every original, by name, as the operator left it.
        commands: Every command that was begun here.
    """

    folder: Path
    source: str
    originals: Files
    store: str
    stored: Files
    variables: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    @property
    def photos(self) -> Path:
        """The folder of the originals, where they are in one."""
        return Path(self.source)

    @property
    def vault(self) -> Path:
        """The folder of the store, where it is one."""
        return Path(self.store)

    def start(self, *words: str, before: Sequence[str] = (), **variables: str) -> Command:
        """Begin ``inr archive``, with more words and variables."""
        fixed = ("--model", "mlp", "--preset", "draft", "--device", "cpu", "--workers", "2")
        chosen = environment(**{**self.variables, **variables})
        self.commands.append(Command(["archive", self.source, self.store, *fixed, *words], chosen, before))
        return self.commands[-1]

    def begun(self, *words: str, **variables: str) -> Command:
        """Begin ``inr archive``, and wait until it has stored another bitstream."""
        n_before = self.count("bitstreams")
        command = self.start(*words, **variables)
        wait_until(lambda: self.count("bitstreams") > n_before, "a bitstream")
        return command

    def archive(self, *words: str, before: Sequence[str] = (), **variables: str) -> Ended:
        """``inr archive``, to its end."""
        return self.start(*words, before=before, **variables).ended()

    def verify(self) -> Ended:
        """``inr verify``, to its end."""
        return Command(["verify", self.store], environment(**self.variables)).ended()

    def count(self, folder: str) -> int:
        """Count the files of the store below one of its folders."""
        return sum(name.startswith(f"{folder}/") for name in self.stored.names())

    def n_claims(self) -> int:
        """Count the claims of runs that are not over; what they hold while they fit it is none."""
        return sum(name.startswith("journal/") and name.endswith(".json") for name in self.stored.names())

    def close(self) -> None:
        """Kill what still runs."""
        for command in self.commands:
            if command.is_running():
                command.kill()

    def remember(self) -> None:
        """Take the originals as they are now for what they are to be."""
        self.digests = current_digests(self.originals)


def new_place(folder: Path, variables: dict[str, str], *, n_images: int = 4) -> Place:
    """A folder of photographs and a store, not there yet, beside it."""
    make_crops(folder / "photos", n_images=n_images, side=SIDE)
    source, store = folder / "photos", folder / "store"
    place = Place(folder, str(source), Folder(source), str(store), Folder(store), variables)
    place.remember()
    return place


def current_digests(files: Files) -> dict[str, str]:
    """SHA-256 of every file that can be read."""
    found = {}
    for name in files.names():
        try:
            found[name] = hashlib.sha256(files.read(name)).hexdigest()
        except OSError:
            continue
    return found


def mount(*words: str) -> None:
    """Mount, or mount anew; only this process and those below it see it, see `make faults`."""
    subprocess.run(["mount", *words], check=True)
