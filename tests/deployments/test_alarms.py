"""The alarms of the guide, each rung for real, with times of seconds in place of hours.

Only `make e2e` runs this, see `test_e2e`.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.deployments.conftest import ROOT, api, prefect
from tests.tasks.pictures import file_of, image

pytestmark = pytest.mark.e2e

SECONDS = 300  # on a machine that is otherwise full
SHORT = {"within: 600": "within: 10", "within: 93600": "within: 20"}

BLOCK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
message = {"subject": "{{subject}}", "body": "{{body}}"}
print(CustomWebhookNotificationBlock(name="alarms", url=sys.argv[1], json_data=message).save("alarms"))
"""

WHAT_HAPPENS = """
import json, sys
from contextlib import suppress
from pathlib import Path
from prefect.client.orchestration import get_client
from prefect.states import Crashed
from flows.archive import archive
from flows.batches.batch import archive_batch
from flows.batches.server import submitted
from flows.verify import verify
from inr.errors import ConfigError
from tasks.errors import ImagesFailed

place = Path(sys.argv[1])
store = str(place / "store")
with suppress(ConfigError):
    archive(str(place / "nowhere"), store)
archive(str(place / "photos"), store)
next((place / "store" / "bitstreams").rglob("*.inr")).unlink()
with suppress(ImagesFailed):
    verify(store)
with get_client(sync_client=True) as client:
    nightly = client.create_deployment(client.create_flow(archive), "nightly")
    waits = client.create_flow_run_from_deployment(nightly, name="a night that nobody takes")
    lost = client.create_flow_run_from_deployment(nightly, name="a night that is lost")
    client.set_flow_run_state(lost.id, Crashed(message="its host is gone"), force=True)
    client.create_deployment(client.create_flow(archive_batch), "worker")
given = {"store": store, "folder": "runs/a", "number": 0, "n_batches": 1, "run_id": "run", "options": {}}
recipe = {"config": {"model": "mlp"}}
batch = submitted("archive-batch/worker", {**given, "recipe": recipe}, "runs/a/0/0")
print(json.dumps({"night": str(waits.id), "batch": str(batch)}))
"""


class Messages(ThreadingHTTPServer):
    """Takes the messages of alarms, as a chat or a pager would."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Takes)
        self.taken: dict[str, str] = {}


class _Takes(BaseHTTPRequestHandler):
    server: Messages

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken.setdefault(message["subject"], message["body"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def messages(bare: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Messages]:
    """What the alarms of the guide send to somebody."""
    with Messages() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        block_id = python(bare, BLOCK, f"http://127.0.0.1:{server.server_port}/").strip()
        alarms = (ROOT / "deployments" / "alarms.yaml").read_text().replace("NOTIFY", block_id)
        for usual, short in SHORT.items():
            assert alarms.count(usual) == 1
            alarms = alarms.replace(usual, short)
        path = tmp_path_factory.mktemp("alarms") / "alarms.yaml"
        path.write_text(alarms)
        prefect(bare, "automation", "create", "--from-file", str(path))
        yield server
        server.shutdown()


def python(environment: dict[str, str], script: str, *words: str) -> str:
    """What a script printed that reports to the server."""
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def runs_that_wait(bare: dict[str, str], messages: Messages, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything that alarms are for happens; the ids of a night and of a batch that wait for a worker."""
    place = tmp_path_factory.mktemp("place")
    (place / "photos").mkdir()
    for n in range(2):
        (place / "photos" / f"{n}.png").write_bytes(file_of(image(1, 1, n + 1)))  # needs no fit
    return json.loads(python(bare, WHAT_HAPPENS, str(place)).splitlines()[-1])


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("archive {place}/nowhere into {place}/store, cnn standard, rd_lambda = 0.002: Failed", "nowhere"),
        ("a night that is lost: Crashed", "its host is gone"),
        ("late: a night that nobody takes", "Are there workers of its pool?"),
        ("damage in {place}/store", "missing: "),
        ("no archive has ended well for 26 hours", "Look for runs"),
    ],
)
def test_somebody_is_told(subject: str, body: str, messages: Messages, runs_that_wait: Any):
    until, first = time.monotonic() + SECONDS, subject.split("{place}")[0]
    while True:
        told = [text for title, text in messages.taken.items() if title.startswith(first)]
        told = [text for text in told if body in text]
        if told:
            return
        assert time.monotonic() < until, messages.taken
        time.sleep(0.5)


def test_a_batch_that_waits_is_not_late_and_a_night_is(bare: dict[str, str], runs_that_wait: dict[str, str]):
    def states() -> dict[str, str]:
        found = api(bare, "flow_runs/filter", {"flow_runs": {"id": {"any_": list(runs_that_wait.values())}}})
        by_id = {run["id"]: run["state"]["name"] for run in found}
        return {name: by_id[run_id] for name, run_id in runs_that_wait.items()}

    until = time.monotonic() + SECONDS
    while states()["night"] != "Late":
        assert time.monotonic() < until
        time.sleep(0.5)
    time.sleep(5)  # of a service that looks every second
    assert states() == {"night": "Late", "batch": "Waiting"}
