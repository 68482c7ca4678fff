"""The embedded servers that commands start, as /proc shows them."""

from pathlib import Path


def servers_below(pid: int) -> list[Path]:
    """Folders in /proc of the Prefect servers that a process has started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [Path("/proc") / child for each in children for child in each.read_text().split()]
    return [path for path in found if is_server(path)]


def is_server(path: Path) -> bool:
    """True if a folder in /proc is that of a running server; what has ended may stay for its parent."""
    try:
        return b"uvicorn" in (path / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
