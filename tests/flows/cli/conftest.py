"""A photograph and its bitstream, for all tests of the commands."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.flows.command import invoke
from tests.lengths import short_drafts
from tests.tasks.pictures import file_of, image


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def photo(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    path = folder / "photo.jpg"
    carried = {"exif": exif.tobytes(), "icc_profile": b"profile", "xmp": b"<x:xmpmeta/>"}
    path.write_bytes(file_of(image(12, 16, 3), "JPEG", **carried))
    return path


@pytest.fixture(scope="session")
def encoded(photo: Path, folder: Path) -> dict[str, Any]:
    words = ("encode", photo, "-o", folder / "photo.inr", "--model", "mlp", "--preset", "draft", "--json")
    with short_drafts():
        result = invoke(*words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def bitstream(encoded: dict[str, Any]) -> Path:
    return Path(encoded["output"])
