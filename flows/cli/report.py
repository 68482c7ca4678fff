"""What ``inr report`` does: an archive as one HTML file. No flow runs, since nothing in the store changes."""

from pathlib import Path
from typing import Any

import torch

from inr.errors import ConfigError
from tasks.report.html.render import make_report
from tasks.settings import load_settings
from tasks.store.files import replace_file
from tasks.store.locations import open_store


def report_file(store: str, output: Path, n_worst: int, run_id: str | None = None) -> dict[str, Any]:
    """Write the report of an archive; returns what was made, as ``inr report --json`` prints it.

    Raises:
        ConfigError: The store, a setting, or the output; or the catalogue has no row.
        CatalogueError, StorageError: The store cannot be read, or the output not written.
    """
    if not output.parent.is_dir() or output.is_dir():
        raise ConfigError(f"output: expected a file in an existing folder, found {str(output)!r}")
    torch.set_num_threads(1)  # threads that wait for a busy core cost a small picture four times its decoding
    archive = open_store(store)
    made = make_report(archive, load_settings().options(), n_worst=n_worst, run_id=run_id)
    data = made.html.encode()
    replace_file(output, data)
    totals = made.facts.totals
    return {
        "store": archive.url,
        "output": str(output),
        "n_images": totals.n_images,
        "n_archived": totals.n_archived,
        "n_failed": totals.n_failed,
        "n_pictures": made.n_pairs,
        "n_bytes": len(data),
    }
