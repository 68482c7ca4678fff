"""The Prefect server that runs report to, and the places of faults."""

import socket
from contextlib import ExitStack
from pathlib import Path

from benchmarks.faults.installation import Installation
from benchmarks.faults.places import Place, new_place


class Scenery:
    """A Prefect server, and a folder for each fault.

    Args:
        folder: Where everything is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.installation = Installation(folder, free_port())

    def __enter__(self) -> "Scenery":
        self.installation.start()
        self._stack.callback(self.installation.kill)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def in_folders(self, name: str) -> Place:
        """A place whose source and store are folders."""
        return new_place(self.folder / name, self.installation.variables)


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
