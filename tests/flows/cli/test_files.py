import sys
from pathlib import Path

import pytest

from flows.cli.files import (
    compare_files,
    decode_file,
    encode_file,
    inspect_file,
    numba_alone,
)
from inr.config import CodecConfig
from inr.errors import ConfigError
from tasks.settings import RunOptions
from tasks.store.outputs import STANDARD
from tests.flows.command import modules_after
from tests.tasks.pictures import file_of, image

OPTIONS = RunOptions(device="cpu")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An image that needs no fit."""
    path = tmp_path / "a.png"
    path.write_bytes(file_of(image(1, 1, 3)))
    return path


def test_decoding_does_without_what_archives_need():
    loaded = modules_after("import flows.cli.files, flows.cli.file_display")
    assert not {"torch", "prefect", "pyarrow", "pandas", "boto3"} & loaded


@pytest.mark.parametrize(
    ("target", "goal", "reached"),
    [
        ({"rd_lambda": 0.01}, "rd_lambda", "rd_lambda"),
        ({"target_psnr_db": 30.0}, "target_psnr_db", "psnr_db"),
    ],
)
def test_one_image_goes_through_all_commands_on_files(
    photo: Path, tmp_path: Path, target: dict[str, float], goal: str, reached: str
):
    bitstream, back, picture = tmp_path / "a.inr", tmp_path / "back.PNG", tmp_path / "both.png"
    made = encode_file(photo, bitstream, CodecConfig(model="mlp", **target), OPTIONS, report=None)
    assert made["n_bytes"] == bitstream.stat().st_size
    assert (made["goal"], made["goal_value"], made["goal_reached"]) == (goal, target[goal], made[reached])
    decoded = decode_file(bitstream, back)
    assert decoded["pixels_digest"] == made["pixels_digest"]
    assert (decoded["width"], decoded["height"], decoded["channels"]) == (1, 1, 3)
    assert inspect_file(bitstream)["n_bytes"] == made["n_bytes"]
    compared = compare_files(photo, bitstream, picture, 8, OPTIONS)
    assert (compared["max_difference"], compared["output"]) == (0, str(picture))
    assert [compared[side]["is_bitstream"] for side in ("first", "second")] == [False, True]
    assert compare_files(photo, back, None, 8, OPTIONS)["output"] is None


def test_standard_input_is_read_once():
    with pytest.raises(ConfigError, match="standard input once"):
        compare_files(STANDARD, STANDARD, None, 8, OPTIONS)


def test_decoding_loads_no_fit_and_nothing_of_the_archive(tmp_path: Path):
    loaded = modules_after(
        "from pathlib import Path; from flows.cli.files import decode_file; "
        f"decode_file(Path('tests/vectors/cnn_rgb.inr'), Path({str(tmp_path / 'x.png')!r}))"
    )
    assert not loaded & {"torch", "prefect", "pyarrow", "duckdb", "boto3", "pandas", "scipy"}
    assert not {name for name in loaded if name.startswith("inr.") and "fit" in name.split(".")}


def test_numba_loads_without_its_optional_packages_and_they_load_afterwards():
    loaded = modules_after(
        "import inr.compiling, flows.cli.files as files\n"
        "with files.numba_alone():\n"
        "    import inr.cnn.kernels, inr.mlp.kernels\n"
        "import sys\n"
        "assert all(sys.modules.get(name, 1) is not None for name in files.OPTIONAL_FOR_NUMBA)\n"
        "import scipy.interpolate, yaml"
    )
    assert {"numba", "scipy", "yaml"} <= loaded


def test_packages_that_are_loaded_already_stay_where_numba_is_alone():
    import scipy

    with numba_alone():
        assert sys.modules["scipy"] is scipy
    assert sys.modules["scipy"] is scipy
