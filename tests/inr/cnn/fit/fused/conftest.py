from collections.abc import Iterator
from importlib.util import find_spec

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
