"""How often a run asks Prefect's server, counted on the way there."""

import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flows.cli import exits
from flows.engine.artifacts import SECONDS_BETWEEN_UPDATES
from tests.flows.command import INR_IN_40_STEPS, inr_run
from tests.flows.conftest import ON_A_CPU
from tests.s3_server import Proxy
from tests.tasks.pictures import file_of, photograph

REQUEST = re.compile(rb"^(GET|POST|PATCH|PUT|DELETE) (\S+) HTTP/1\.1\r\n", re.MULTILINE)
OFTEN = {"PATCH /api/artifacts/ID", "POST /api/logs/"}  # by the time that a run takes
FEW, MANY = 2, 16
FEWEST_OF_EACH_IMAGE = MANY - FEW  # one of each image more; a request that a busy server leaves is repeated


@dataclass
class Counting(Proxy):
    """A proxy that counts requests by method and path."""

    requests: Counter[str] = field(default_factory=Counter)

    def passed(self, data: bytes) -> None:
        for method, path in REQUEST.findall(data):
            whole = b"%s %s" % (method, re.sub(rb"[0-9a-f-]{36}", b"ID", path))
            self.requests[whole.decode().partition("?")[0]] += 1


@pytest.fixture
def counting(server: str) -> Iterator[Counting]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Counting(urlsplit(server).port or 0, port=listener.getsockname()[1])
        threading.Thread(target=proxy.run, args=(listener,), daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)


def test_requests_of_a_run_do_not_grow_with_its_images(counting: Counting, tmp_path: Path):
    """But for its log, and its progress, whose updates are apart by some seconds."""
    found: list[int] = []
    for n_images in (FEW, MANY):
        photos = tmp_path / f"{n_images}"
        photos.mkdir()
        for n in range(n_images):
            (photos / f"{n}.png").write_bytes(file_of(photograph(8, 8 + n)))
        counting.requests.clear()
        began = time.monotonic()
        words = ("archive", photos, tmp_path / f"store-{n_images}", *ON_A_CPU, "--workers", 2)
        done = inr_run(*words, program=INR_IN_40_STEPS, PREFECT_API_URL=f"{counting.endpoint}/api")
        seconds = time.monotonic() - began
        assert done.returncode == exits.OK, done.stderr
        n_updates = counting.requests["PATCH /api/artifacts/ID"]
        assert n_updates <= 2 + seconds / SECONDS_BETWEEN_UPDATES
        found.append(sum(n for name, n in counting.requests.items() if name not in OFTEN))
    few, many = found
    assert many - few < FEWEST_OF_EACH_IMAGE, counting.requests
