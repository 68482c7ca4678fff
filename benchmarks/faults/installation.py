"""A Prefect server, as deployments/README.md says."""

import os
import signal
import subprocess
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.commands import BINARIES, ROOT, environment, wait_until

PREFECT = str(BINARIES / "prefect")


@dataclass
class Installation:
    """A Prefect server with its database in a folder.

    Attributes:
        folder: Database and logs.
        port: Where it listens.
        process: The server, unless it is down.
    """

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """What ``PREFECT_API_URL`` is to say."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def variables(self) -> dict[str, str]:
        """How a process finds the server."""
        return {"PREFECT_API_URL": self.url, "PREFECT_HOME": str(self.folder / "home")}

    def start(self) -> None:
        """Start the server, or start it again on the same database, and wait until it answers."""
        words = [PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                words,
                cwd=ROOT,
                env=environment(**self.variables),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, "an answer of the Prefect server")

    def kill(self) -> None:
        """End the server and what it started by SIGKILL, as a power cut would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
            return True
        return False
