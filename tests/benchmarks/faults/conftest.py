from pathlib import Path

import pytest
from PIL import Image

from benchmarks.archive.here import archive_here
from benchmarks.faults.places import Folder, Place
from inr.config import CodecConfig
from tasks.catalogue.recipe import Recipe
from tests.tasks.pictures import file_of


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two photographs of one colour, which need no fit, both archived."""
    (tmp_path / "photos").mkdir()
    for n in range(2):
        (tmp_path / "photos" / f"{n}.png").write_bytes(file_of(Image.new("RGB", (n + 1, 1), (n, 2, 3))))
    source, store = tmp_path / "photos", tmp_path / "store"
    made = Place(tmp_path, str(source), Folder(source), str(store), Folder(store))
    made.remember()
    archive_here(source, str(store), Recipe(CodecConfig(model="mlp", preset="draft")))
    return made
