"""The files for containers and services, by the linters of each kind and by what they say of each other.

No image is built here, and nothing is started: there is no registry of images to take the one below from.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.conftest import BIN, ENTRYPOINT, ROOT

DEPLOYMENTS = ROOT / "deployments"
CONTAINERFILE = (DEPLOYMENTS / "Containerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOYMENTS / "compose.yaml").read_text())
KUBERNETES = DEPLOYMENTS / "kubernetes-worker.yaml"
UNIT = DEPLOYMENTS / "inr-worker@.service"
HOUR = 3600


def interpolated(text: str) -> str:
    """The text with defaults in place of variables, and some word where there is none."""
    return re.sub(r"\$\{\w+:(?:-([^}]*)|\?)\}", lambda found: found[1] or "chosen", text)


def linted(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """A program of the environment of this Python, or of the system."""
    program = BIN / words[0]
    found = str(program) if program.exists() else shutil.which(words[0])
    if found is None:
        pytest.skip(f"{words[0]} is not installed")
    return subprocess.run([found, *words[1:]], input=stdin, capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing():
    done = linted("hadolint", "--no-color", "-", stdin=CONTAINERFILE)
    assert (done.stdout, done.returncode) == ("", 0)
    assert linted("hadolint", "-", stdin=CONTAINERFILE.replace("USER 10001", "USER root")).returncode


def test_the_schemas_of_kubernetes_take_the_workers(tmp_path: Path):
    done = linted("kubernetes-validate", "--strict", str(KUBERNETES))
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "wrong.yaml").write_text(KUBERNETES.read_text().replace("maxSurge", "maxSurges"))
    assert linted("kubernetes-validate", "--strict", str(tmp_path / "wrong.yaml")).returncode


def test_the_schema_of_compose_takes_the_installation():
    compose_spec = pytest.importorskip("compose_spec")
    text = interpolated((DEPLOYMENTS / "compose.yaml").read_text())
    found = compose_spec.PyCompose.from_json(json.dumps(yaml.safe_load(text)))
    assert set(found.service_names()) == COMPOSE["services"].keys()
    with pytest.raises(ValueError, match="retries"):
        compose_spec.PyCompose.from_yaml(text.replace("retries: 12", "retries: many", 1))


def test_systemd_takes_the_template(tmp_path: Path):
    text = UNIT.read_text()
    here = text.replace("/opt/inr-archive/.venv/bin", str(BIN))  # it looks whether the program is there
    assert here != text
    unit = tmp_path / "inr-worker@0.service"
    unit.write_text(here)
    done = linted("systemd-analyze", "verify", "--man=no", str(unit))
    assert (done.returncode, "inr-worker" in done.stderr) == (0, False), done.stderr
    unit.write_text(here.replace("Restart=always", "Restart=ever"))
    assert "restart specifier" in linted("systemd-analyze", "verify", "--man=no", str(unit)).stderr


def test_the_images_copy_what_there_is_and_run_as_nobody_in_particular():
    copied = copies()
    assert all((ROOT / name).exists() for name in copied)
    for stage in re.split(r"(?m)^FROM ", CONTAINERFILE)[2:]:
        assert re.search(r"(?m)^USER \d+$", stage)


def test_an_image_gets_what_it_copies_and_no_password():
    lines = (ROOT / ".containerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copies()
    assert lines.index("deployments/.env") > lines.index("!deployments")  # the last that matches counts


def copies() -> set[str]:
    """The files and folders of a checkout that images copy."""
    lines = re.findall(r"(?m)^COPY (.+)$", CONTAINERFILE)
    return {name for line in lines for name in line.split()[:-1]}


def test_the_image_of_the_server_has_nothing_of_the_archive():
    server = CONTAINERFILE.partition(" AS server\n")[2].partition("\nFROM ")[0]
    assert "COPY" not in server
    named = re.findall(r"constraints\.txt (.+)", server)[0].split()
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert set(named) <= pinned
    assert "asyncpg" in named  # for PostgreSQL
    [pages] = re.findall(r"PREFECT_UI_STATIC_DIRECTORY=(\S+)", server)  # it makes them itself
    assert Path(pages).is_relative_to(re.findall(r"(?m)^WORKDIR (\S+)$", server)[0])


def test_images_of_others_can_be_named_by_digest():
    for name, service in COMPOSE["services"].items():
        if "build" not in service:
            assert re.fullmatch(r"\$\{\w+_IMAGE:-[\w./-]+:(?!latest)[\w.-]+\}", service["image"]), name
    assert re.search(r"(?m)^ARG PYTHON=\S+\n+FROM \$\{PYTHON\} AS base$", CONTAINERFILE)
    variables = set(re.findall(r"\$\{(\w+_IMAGE):", (DEPLOYMENTS / "compose.yaml").read_text()))
    example = (DEPLOYMENTS / "example.env").read_text()
    assert variables == set(re.findall(r"# (\w+_IMAGE)=", example))


def test_everything_that_goes_on_says_whether_it_is_well():
    for name, service in COMPOSE["services"].items():
        assert "healthcheck" in service or name in {"s3", "init"}
        if name not in {"postgres", "server", "s3", "init"}:
            assert service["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
            assert ":8080/health" in service["healthcheck"]["test"][-1]
    assert "--with-healthcheck" in ENTRYPOINT
    command = re.findall(r"(?m)^ExecStart=(.+)$", UNIT.read_text())[0].split()
    assert command[1 : len(ENTRYPOINT)] == ENTRYPOINT[1:]


def test_a_new_worker_waits_until_an_old_one_has_left_its_gpu():
    spec = yaml.safe_load(KUBERNETES.read_text())["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    [worker] = spec["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1
    patience = worker["livenessProbe"]["periodSeconds"] * worker["livenessProbe"]["failureThreshold"]
    assert patience >= HOUR  # a fit is not to end because Prefect's server is away


@pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")
def test_what_is_ignored_is_in_no_image(tmp_path: Path):
    """An image of a checkout's files alone, built from nothing."""
    checkout, storage, files = (tmp_path / name for name in ("checkout", "storage", "files"))
    there = {
        *copies(),
        "deployments/.env",
        "inr/__pycache__/x.pyc",
        "tasks/store/__pycache__/y.pyc",
        ".git/config",
    }
    for name in sorted(there | {"archive/reports/x.html", "tasks/store/s3.py"}):
        path = checkout / name
        if (ROOT / name).is_dir():
            path.mkdir(parents=True)
            path /= "some.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    shutil.copy(ROOT / ".containerignore", checkout)
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY . /\n")
    places = ["--storage-driver", "vfs", "--root", str(storage), "--runroot", str(tmp_path / "run")]
    words = ["bud", "--isolation", "chroot", "-f", str(tmp_path / "Containerfile"), "-o", str(files)]
    done = subprocess.run(
        ["buildah", *places, *words, str(checkout)], capture_output=True, text=True, check=False
    )
    if "permitted" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    found = {str(path.relative_to(files)) for path in files.rglob("*")}
    assert {name for name in found if "/" not in name} == copies()
    assert "tasks/store/s3.py" in found
    assert not [name for name in found if ".env" in name or "__pycache__" in name]
