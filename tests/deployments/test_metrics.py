"""What the guide writes for Prometheus is in its format, and has the numbers of the catalogue."""

import re
import subprocess
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tasks.catalogue.audits import AuditRow, AuditStatus
from tasks.steps.commit import append, append_audits
from tasks.store.folder import LocalStore
from tests.flows.command import ROOT
from tests.tasks.rows import archived, failed

[SCRIPT] = re.findall(r"```\n(\{.*?)```", (ROOT / "deployments" / "keeping.md").read_text(), re.DOTALL)
INR = f'inr() {{ (cd {ROOT} && {sys.executable} -c "from flows.cli import main; main()" "$@"); }}\n'

Lines = dict[tuple[str, str], float]  # by name and status


def written(folder: Path, store: LocalStore) -> Lines:
    """The metrics that the script writes."""
    script = INR + SCRIPT.replace("STORE", str(store.root))
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, check=True, timeout=300)
    families = text_string_to_metric_families((folder / "inr.prom").read_text())
    lines = [line for family in families for line in family.samples]
    return {(line.name, line.labels.get("status", "")): line.value for line in lines}


def test_numbers_of_an_archive_are_those_of_its_catalogue(tmp_path: Path):
    store, images = LocalStore(tmp_path / "store"), [archived("a", b"a" * 10), archived("b", b"b" * 20)]
    append(store, [failed("c")])
    assert written(tmp_path, store) == {("inr_images", "failed"): 1, ("inr_bytes", "failed"): 0}
    append(store, images)
    seen = images[1].recorded_at
    append_audits(store, [AuditRow(run_id="run", checked_at=seen, key="k", status=AuditStatus.INTACT)])
    assert written(tmp_path, store) == {
        ("inr_images", "failed"): 1,
        ("inr_bytes", "failed"): 0,
        ("inr_images", "archived"): 2,
        ("inr_bytes", "archived"): 30,
        ("inr_last_archived_seconds", ""): seen.timestamp(),
        ("inr_audited", "intact"): 1,
        ("inr_last_audited_seconds", "intact"): seen.timestamp(),
    }
