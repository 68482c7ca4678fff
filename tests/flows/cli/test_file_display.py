import math
from collections.abc import Callable
from typing import Any

import pytest

from flows.cli import file_display


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The lines that were printed since it was last called."""
    return lambda: [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_comparison_says_why_a_measure_is_missing(shown: Callable[[], list[str]]):
    side = {"path": "a.png", "n_bytes": 10, "rate_bpp": 1.0}
    made: dict[str, Any] = {"first": side, "second": side, "psnr_db": math.inf, "max_difference": 0}
    file_display.show_compared({**made, "ms_ssim": None, "flip": None, "output": None})
    assert shown()[2:] == [
        "PSNR inf dB, largest difference 0 of 255",
        "MS-SSIM is not for images under 161 pixels a side",
        f"FLIP {file_display.NO_FLIP}",
    ]
    file_display.show_compared({**made, "ms_ssim": 0.5, "flip": 0.25, "output": "both.png"})
    assert shown()[3:] == ["MS-SSIM 0.5000", "FLIP 0.2500", "picture: both.png"]


def test_an_inspection_is_two_tables_under_three_lines(shown: Callable[[], list[str]]):
    network, nothing, level = (
        {"part": part, "bits": bits} for part, bits in (("network", 48.0), ("network", 0.0), ("levels", 16.0))
    )
    file_display.show_inspection(
        {
            **{"bitstream": "a.inr", "format_version": 1, "width": 4, "height": 2, "channels": 3},
            **{"n_bytes": 50, "rate_bpp": 50.0, "model": "toy", "architecture": {"n_columns": 2}},
            **{"n_parameters": 6, "multiply_adds_per_pixel": 7},
            "sections": [{"name": "header", "n_bytes": 10}, {"name": "payload", "n_bytes": 40}],
            "parts": [
                {"name": "network", "n_symbols": 6, "n_zero": 1, "bits": 48.0},
                {"name": "levels", "n_symbols": 8, "n_zero": 7, "bits": 16.0},
            ],
            "tensors": [
                {"name": "colours", "shape": (2, 3), "step": 0.5, **network, "n_symbols": 6, "n_zero": 1},
                {"name": "none", "shape": (0,), "step": None, **nothing, "n_symbols": 0, "n_zero": 0},
                {"name": "level0", "shape": (2, 4), "step": 1.0, **level, "n_symbols": 8, "n_zero": 7},
            ],
        }
    )
    lines = shown()
    assert lines[0] == "a.inr: format 1, 4x2x3, 50 bytes, 50.0000 bpp"
    assert lines[1] == "model toy (n_columns 2): 6 parameters"
    assert lines[2] == "7 multiply-adds per pixel"
    assert lines[5].split() == ["header", "10", "80", "20.0%"]
    assert [each.split() for each in lines[9:]] == [
        ["network,", "all", "6", "1", "48", "8.000", "75.0%"],
        ["colours", "2x3", "0.5", "6", "1", "48", "8.000", "75.0%"],
        ["none", "0", "not", "coded", "0", "0", "0", "0.000", "0.0%"],
        ["levels,", "all", "8", "7", "16", "2.000", "25.0%"],
        ["level0", "2x4", "1", "8", "7", "16", "2.000", "25.0%"],
    ]


def test_an_encoding_says_how_near_it_came_to_its_target(shown: Callable[[], list[str]]):
    made: dict[str, Any] = {
        **{"image": "a.png", "output": "a.inr", "n_bytes": 10, "rate_bpp": 0.5, "psnr_db": 30.25},
        **{"rd_lambda": 0.002, "encode_seconds": 1.0, "device": "cpu", "notes": ["converted"]},
        **{"goal": "target_psnr_db", "goal_value": 30.0, "goal_reached": 30.25, "attempts": [{}, {}]},
    }
    file_display.show_encoded(made)
    assert shown()[2:] == ["target 30 dB: reached 30.25 dB (+0.25) in 2 fits", "note: converted"]
    file_display.show_encoded({**made, "goal": "rd_lambda"})
    assert shown()[-1] == "note: converted"


def test_a_report_says_what_it_shows(shown: Callable[[], list[str]]):
    made = {"output": "r.html", "n_archived": 3, "n_images": 2, "n_failed": 1, "n_pictures": 2, "n_bytes": 9}
    file_display.show_report(made)
    assert shown() == ["r.html: 3 files of 2 images, 1 failed, 2 with pictures; 9 bytes"]
