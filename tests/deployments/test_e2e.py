"""The deployments as an operator has them: PostgreSQL, server, pools, deploy, workers, schedule.

Only `make e2e` runs this: it takes minutes, and wants Debian's postgresql.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tasks.catalogue import lookup, parts
from tasks.store.folder import LocalStore
from tests.deployments.conftest import (
    BIN,
    BINARIES,
    N_IMAGES,
    ROOT,
    START_SECONDS,
    api,
    initialise,
    prefect,
    runs,
)

pytestmark = pytest.mark.e2e


def test_the_nightly_archive_is_done_by_the_workers(environment: dict[str, str], place: Path):
    config = json.dumps({"model": "mlp", "preset": "draft", "rd_lambda": 0.01})
    options = json.dumps({"deployment": "archive-batch/worker", "batch_images": 1, "workers": 1})
    given = ("--param", f"config={config}", "--param", f"options={options}")
    prefect(environment, "deployment", "run", "archive/nightly", "--watch", *given)
    store = LocalStore(place / "store")
    rows = lookup.latest(parts.read_images(store).to_pylist(), {})
    assert [row["status"] for row in rows] == ["archived"] * N_IMAGES
    assert store.objects("runs") == store.objects("journal") == []
    batches = runs(environment, "archive-batch")
    assert [run["state_type"] for run in batches] == ["COMPLETED"] * N_IMAGES
    took = {(place / f"{name}.log").read_text().count("submitting flow run") for name in ("one", "two")}
    assert 0 not in took  # both workers had some


def test_the_audit_reads_it_all_and_the_catalogue_is_compacted(environment: dict[str, str], place: Path):
    prefect(environment, "deployment", "run", "verify/weekly", "--watch", "--param", "unread_days=0")
    prefect(environment, "deployment", "run", "compact/nightly", "--watch")
    store = LocalStore(place / "store")
    audits = parts.read_audits(store).to_pylist()
    assert [row["status"] for row in audits] == ["intact"] * N_IMAGES
    assert len(parts.list_parts(store, parts.IMAGES)) == 1


def test_an_installation_is_made_once_and_then_only_kept(environment: dict[str, str], tmp_path: Path):
    """Also with buckets, which it makes where there are none."""

    def there() -> dict[str, list[str]]:
        kinds = ("work_pools", "deployments", "automations")
        return {
            kind: sorted(found["id"] for found in api(environment, f"{kind}/filter", {})) for kind in kinds
        }

    before = there()
    assert [len(before[kind]) for kind in ("work_pools", "deployments")] == [2, 5]
    bucket = f"s3://made-{tmp_path.name.replace('_', '-')}"
    places = {"INR_SOURCE": f"{bucket}-photos/photos", "INR_STORE": f"{bucket}/store"}
    with_s3 = {**environment, **places}
    assert initialise(with_s3, "--buckets").count(": made") == 2
    assert ": made" not in initialise(with_s3, "--buckets")
    assert "6 of 6 promises kept" in initialise(environment)
    assert there() == before


def test_alarms_by_the_words_of_the_guide_are_there_once_however_often_they_are_given(
    environment: dict[str, str], tmp_path: Path
):
    [words] = re.findall(r"```\n(NOTIFY=.*?)```", (ROOT / "deployments" / "README.md").read_text(), re.DOTALL)
    (tmp_path / "deployments").symlink_to(ROOT / "deployments")
    script = tmp_path / "alarms.sh"
    script.write_text(words.replace("https://hooks.slack.com/", "http://127.0.0.1:9/"))
    given = {**environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["bash", "-e", str(script)], cwd=tmp_path, env=given, check=True, timeout=400)
    shipped = (ROOT / "deployments" / "alarms.yaml", ROOT / "deployments" / "automations.yaml")
    wanted = [each["name"] for file in shipped for each in yaml.safe_load(file.read_text())]
    assert sorted(found["name"] for found in api(environment, "automations/filter", {})) == sorted(wanted)


@pytest.mark.parametrize("flow", ["archive", "verify", "compact"])
def test_what_has_a_schedule_is_scheduled(environment: dict[str, str], flow: str):
    until = time.monotonic() + START_SECONDS
    while not any(run["auto_scheduled"] for run in runs(environment, flow)):
        assert time.monotonic() < until
        time.sleep(1)


def test_the_server_keeps_its_runs_in_postgresql(environment: dict[str, str], database: str):
    url = database.replace("+asyncpg", "")
    counted = subprocess.run(
        [f"{BINARIES}/psql", url, "-Atc", "select count(*) from flow_run"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(counted.stdout) > N_IMAGES
