import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.catalogue.records import now
from tasks.plan import machine as module
from tasks.plan.machine import MAX_AGE, SIDES, Machine, PaceAt, cache_folder, picture, this_machine
from tasks.plan.pace import Pace

KEY = {"processor": "one", "device": "cpu"}
PACES = {side: Pace(side / 1000, side / 100, side / 500) for side in SIDES}


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray], Pace]:
    """Gives a pace for each picture, and keeps their sizes; the machine is quiet meanwhile."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))

    def of(pixels: np.ndarray) -> Pace:
        of.seen.append(pixels.shape)  # type: ignore[attr-defined]
        return PACES[len(pixels)]

    of.seen = []  # type: ignore[attr-defined]
    return of


def seen(measure: Any) -> int:
    return len(measure.seen)


def test_what_was_measured_is_kept_for_the_same_machine_alone(tmp_path: Path, measure: Any):
    first = this_machine(KEY, measure, tmp_path / "new")
    assert first.points == tuple(PaceAt(side * side, PACES[side]) for side in SIDES)
    assert measure.seen == [(side, side, 3) for side in SIDES]
    assert this_machine(dict(reversed(KEY.items())), measure, tmp_path / "new") == first
    assert seen(measure) == len(SIDES)
    for key in ({**KEY, "processor": "two"}, {**KEY, "workers": "2"}):
        assert this_machine(key, measure, tmp_path / "new").key == key
    assert seen(measure) == 3 * len(SIDES)


def change(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def of(kept: dict[str, Any]) -> None:
        kept[name] = value

    return of


def _spoil(name: str, value: float) -> Callable[[dict[str, Any]], None]:
    def of(kept: dict[str, Any]) -> None:
        kept["points"][0]["pace"][name] = value

    return of


@pytest.mark.parametrize(
    "spoil",
    [
        change("measured_at", (now() - MAX_AGE - timedelta(minutes=1)).isoformat()),
        change("measured_at", (now() + timedelta(hours=1)).isoformat()),
        change("key", {**KEY, "processor": "another"}),
        change("points", []),
        _spoil("step_seconds", 0.0),
        _spoil("step_seconds", -1.0),
        _spoil("end_seconds", -0.1),
        lambda kept: kept.pop("load"),
    ],
)
def test_what_is_old_or_not_sound_is_measured_again(
    tmp_path: Path, measure: Any, spoil: Callable[[dict[str, Any]], None]
):
    this_machine(KEY, measure, tmp_path)
    [file] = tmp_path.iterdir()
    kept = json.loads(file.read_text())
    spoil(kept)
    file.write_text(json.dumps(kept))
    assert this_machine(KEY, measure, tmp_path).points[0].pace == PACES[SIDES[0]]
    assert seen(measure) == 2 * len(SIDES)
    this_machine(KEY, measure, tmp_path)
    assert seen(measure) == 2 * len(SIDES)


def test_what_was_measured_beside_other_work_is_not_kept_and_says_so(
    tmp_path: Path, measure: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "getloadavg", lambda: (99.0, 0.0, 0.0))
    found = this_machine(KEY, measure, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert found.describe().endswith("UTC, beside a load of 99.0")


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path, measure: Any):
    (tmp_path / "file").write_text("")
    assert this_machine(KEY, measure, tmp_path / "file").key == KEY
    assert (tmp_path / "file").read_text() == ""


def test_a_pace_is_a_line_over_pixels_that_neither_falls_nor_comes_near_nothing():
    points = (PaceAt(1000, Pace(0.01, 0.5, 0.3)), PaceAt(101_000, Pace(0.11, 1.5, 0.2)))
    machine = Machine({}, now(), 0.0, points)
    assert machine.pace(51_000) == Pace(pytest.approx(0.06), pytest.approx(1.0), 0.3)
    assert machine.pace(201_000).step_seconds == pytest.approx(0.21)
    assert machine.pace(0).step_seconds == pytest.approx(0.009)
    steep = Machine({}, now(), 0.0, (PaceAt(1000, Pace(0.01, 0.5, 0.3)), PaceAt(2000, Pace(1.0, 0.5, 0.3))))
    assert steep.pace(0).step_seconds == 0.005


def test_the_folder_is_that_of_the_users_caches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/inr/rates")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder() == Path("/home/me/.cache/inr/rates")


def test_the_picture_has_detail_and_is_always_the_same():
    pixels = picture(SIDES[0])
    assert (pixels.shape, pixels.dtype) == ((SIDES[0], SIDES[0], 3), np.uint8)
    np.testing.assert_array_equal(pixels, picture(SIDES[0]))
    assert 20 < pixels.std() < 80
    assert module.SIDES[0] < module.SIDES[-1]
