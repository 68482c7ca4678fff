import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from inr.fit.threads import torch_threads

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
    """Coverage looks on only the first time that a kernel runs with some constants: all lines are seen then.

    It halves the speed of whatever Python runs meanwhile, of Triton's interpreter too.
    """
    interpreter = pytest.importorskip("triton.runtime.interpreter")
    run = interpreter.GridExecutor.__call__

    def run_seen(executor: Any, *given: Any, **named: Any) -> Any:
        all_given = {**dict(zip(executor.arg_names, given, strict=False)), **named}
        kernel = (executor.fn, *(str(all_given.get(name)) for name in executor.constexprs))
        trace = sys.gettrace()
        if trace is None or kernel not in traced:
            traced.add(kernel)
            return run(executor, *given, **named)
        sys.settrace(None)
        try:
            return run(executor, *given, **named)
        finally:
            sys.settrace(trace)

    monkeypatch.setattr(interpreter.GridExecutor, "__call__", run_seen)
