"""Where a result comes from: the date, the machine, the code and the command."""

import ast
import hashlib
import json
import os
import platform
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import inr
from inr.bitstream import FORMAT_VERSION

LIBRARIES = ("torch", "numpy", "constriction", "pillow")


def provenance(module: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What to print above a table, as JSON."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "versions": {
            "inr": inr.__version__,
            "format": FORMAT_VERSION,
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        "code": codec_digest()[:16],
        "command": command(module, arguments),
    }


def machine() -> dict[str, Any]:
    """The CPU's model, the cores this process may use, and the architecture."""
    return {"cpu": _cpu_model(), "cores": n_cores(), "architecture": platform.machine()}


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def codec_digest() -> str:
    """SHA-256 over the code of `inr`, comments and layout aside: names what made a measured point."""
    digest = hashlib.sha256()
    for path in sorted(Path(inr.__path__[0]).glob("*.py")):
        digest.update(path.name.encode())
        digest.update(ast.dump(ast.parse(path.read_text(encoding="utf-8"))).encode())
    return digest.hexdigest()


def command(module: str, arguments: Sequence[str]) -> str:
    """The command that was given; of absolute paths only the last part, which is the same elsewhere."""
    shown = [Path(word).name if Path(word).is_absolute() else word for word in arguments]
    return shlex.join(["python", "-m", module, *shown])


def result_file(out: Path, suffix: str) -> Path:
    """The file of the result `out` with this suffix; a dot in the name of `out` stays."""
    return out.with_name(out.name + suffix)


def write_result(out: Path, report: dict[str, Any], page: str) -> None:
    """Write a report as `out`.json, and the page made of it as `out`.md."""
    out.parent.mkdir(parents=True, exist_ok=True)
    result_file(out, ".json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    result_file(out, ".md").write_text(page, encoding="utf-8")


def headline(origin: dict[str, Any]) -> list[str]:
    """Markdown lines that say where the table below them comes from."""
    host, versions = origin["machine"], origin["versions"]
    libraries = ", ".join(f"{name} {value}" for name, value in versions.items())
    return [
        f"- Date: {origin['date']}",
        f"- Machine: {host['cpu']}, {host['cores']} cores, {host['architecture']}",
        f"- Versions: {libraries}; code {origin['code']}",
        f"- Command: `{origin['command']}`",
    ]
