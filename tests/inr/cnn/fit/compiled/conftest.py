from collections.abc import Iterator

import pytest

from inr.fit.process import torch_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with torch_threads(1):  # so small that threads would only wait for each other
        yield
