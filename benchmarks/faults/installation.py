"""A Prefect server, pool, deployment and workers, as deployments/README.md says."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.commands import BINARIES, ROOT, environment, service, wait_until

PREFECT = str(BINARIES / "prefect")
POOL = "inr-workers"
DEPLOYMENT = "archive-batch/worker"


@dataclass
class Installation:
    """A Prefect server with its database in a folder.

    Attributes:
        folder: Database and logs.
        port: Port that it listens on.
        process: The server, unless it is down.
    """

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    _is_deployed: bool = field(default=False)

    @property
    def url(self) -> str:
        """The value of ``PREFECT_API_URL``."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def variables(self) -> dict[str, str]:
        """The variables by which a process finds the server."""
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

    def deploy(self) -> None:
        """Pool, deployments and automations, from the files of `deployments`."""
        if self._is_deployed:
            return
        for pool in ("inr-control", POOL):
            self.prefect("work-pool", "create", pool, "--type", "process")
        self.prefect("--no-prompt", "deploy", "--prefect-file", "deployments/prefect.yaml", "--all")
        self.prefect("automation", "create", "--from-file", "deployments/automations.yaml")
        self._is_deployed = True

    @contextmanager
    def worker(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A worker of the pool, one batch at a time, as long as the body lasts."""
        words = [str(BINARIES / "inr"), "worker", POOL]
        chosen = environment(**self.variables, INR_DEVICE="cpu", OMP_NUM_THREADS="1")
        with service(words, self.folder / "worker.log", chosen) as process:
            yield process

    def prefect(self, *words: str) -> str:
        """Run a command of ``prefect``; returns what it printed.

        Raises:
            subprocess.CalledProcessError: It failed.
        """
        command = [PREFECT, *words]
        variables = environment(**self.variables, INR_SOURCE="unused", INR_STORE="unused")
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True)
        return done.stdout

    def states(self, flow: str, store: str) -> list[dict[str, Any]]:
        """The state of each run of a flow into a store, as the server has it, the earliest first."""
        query = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"}
        runs = self._asked("flow_runs/filter", query)
        return [run["state"] for run in runs if run["parameters"].get("store") == store]

    def _asked(self, path: str, query: dict[str, Any]) -> Any:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/{path}", json.dumps(query).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=5):
            return True
        return False
