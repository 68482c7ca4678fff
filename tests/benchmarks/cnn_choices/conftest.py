from importlib.util import find_spec

import pytest

if find_spec("triton") is None:
    collect_ignore = ["test_main.py", "test_held.py", "test_trials.py"]


@pytest.fixture
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain operations in place of kernels: the interpreter is slow."""
    from benchmarks.prior import shared_fit
    from tests.inr.cnn.fit.fused.doubles import PlainStep, take_doubles

    take_doubles(monkeypatch)
    monkeypatch.setattr(shared_fit, "FusedSoap", PlainStep)
