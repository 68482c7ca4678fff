"""An archive of before the modules moved into rooms (commit 5d18c64): keys, rows and pixels are as they were.

Its four photographs are archived under three settings. Under the third, a contract that no fit meets, all are
stored without loss, under the key of a bitstream as that commit did.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.flows.command import invoke

MADE = Path(__file__).parents[1] / "vectors" / "archive"
RESTORED = json.loads((MADE / "restored.json").read_text())
SETTINGS = {
    "cnn": ("--model", "cnn", "--preset", "draft", "--rd-lambda", 0.001),
    "mlp": ("--model", "mlp", "--preset", "draft", "--rd-lambda", 0.002),
    "lossless": (
        "--model",
        "mlp",
        "--preset",
        "draft",
        "--rd-lambda",
        0.01,
        "--min-psnr",
        60,
        "--max-refits",
        1,
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    shutil.copytree(MADE / "store", tmp_path / "store")
    return tmp_path / "store"


def test_it_restores_to_the_pixels_that_it_restored_to_then(store: Path, tmp_path: Path) -> None:
    chosen = "model = 'cnn' and min_psnr_db is null"
    done = invoke("restore", store, tmp_path / "back", "--where", chosen, "--json")
    assert done.exit_code == 0, done.output
    restored = sorted((tmp_path / "back").rglob("*.png"))
    assert [path.relative_to(tmp_path / "back").as_posix() for path in restored] == sorted(RESTORED)
    for path in restored:
        expected = RESTORED[path.relative_to(tmp_path / "back").as_posix()]
        with Image.open(path) as image:
            pixels = np.ascontiguousarray(np.asarray(image))
            assert (image.mode, list(image.size)) == (expected["mode"], expected["size"])
            assert len(image.info.get("exif") or b"") == expected["exif_n_bytes"]
        assert hashlib.sha256(pixels).hexdigest() == expected["pixels_sha256"]


def test_what_it_stored_without_loss_restores_to_the_originals(store: Path, tmp_path: Path) -> None:
    done = invoke("restore", store, tmp_path / "back", "--where", "model = 'lossless'", "--json")
    assert done.exit_code == 0, done.output
    for name in ("portrait.png", "sub/grey.png", "alpha.png"):
        with Image.open(MADE / "photos" / name) as original, Image.open(tmp_path / "back" / name) as back:
            np.testing.assert_array_equal(np.asarray(back), np.asarray(original))


def test_all_of_it_is_intact(store: Path) -> None:
    done = invoke("verify", store, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["counts"] == {"intact": 12}


@pytest.mark.parametrize("setting", SETTINGS)
def test_its_photographs_count_as_archived_under_the_same_settings(store: Path, setting: str) -> None:
    done = invoke("plan", MADE / "photos", store, *SETTINGS[setting], "--json")
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)["plan"]
    assert plan == "1 to archive; 4 archived already; 1 duplicates"  # the one is broken.jpg, tried again
