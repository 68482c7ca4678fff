"""Families whose fits are of other lengths, so that a test need not wait, or need not be lucky."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from inr.encoder import FITTERS


@contextmanager
def short_drafts() -> Iterator[None]:
    """While the body runs, fits of the preset `draft` have the fewest steps that a time would give them."""
    with pytest.MonkeyPatch.context() as patch:
        for model, fitter in FITTERS.items():
            steps = {**fitter.preset_steps, "draft": fitter.least_steps}
            patch.setitem(FITTERS, model, replace(fitter, preset_steps=steps))
        yield


@contextmanager
def fits_from(least: int, most: int | None = None, *, model: str = "mlp") -> Iterator[None]:
    """While the body runs, let fits within a time have at least and at most so many steps."""
    fitter = FITTERS[model]
    steps = dict(fitter.preset_steps) if most is None else dict.fromkeys(fitter.preset_steps, most)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FITTERS, model, replace(fitter, least_steps=least, preset_steps=steps))
        yield
