from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from inr.fit.process import torch_threads
from tests.tracing import untraced

if find_spec("triton") is None:
    collect_ignore_glob = ["*"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So small that threads would only wait for each other; and NumPy adds what masks leave out, too."""
    with torch_threads(1), np.errstate(all="ignore"):
        yield


@pytest.fixture(scope="session")
def traced() -> set[tuple[object, ...]]:
    """The kernels that coverage has seen at work, each with its constants."""
    return set()


@pytest.fixture(autouse=True)
def traced_once(traced: set[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """While a kernel runs with some constants for the first time, coverage looks on, and later not."""
    interpreter = pytest.importorskip("triton.runtime.interpreter")
    run = interpreter.GridExecutor.__call__

    def run_seen(executor: Any, *given: Any, **named: Any) -> Any:
        all_given = {**dict(zip(executor.arg_names, given, strict=False)), **named}
        kernel = (executor.fn, *(str(all_given.get(name)) for name in executor.constexprs))
        if kernel in traced:
            return untraced(run, executor, *given, **named)
        traced.add(kernel)
        return run(executor, *given, **named)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", run_seen)
