from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="session")
def photograph() -> NDArray[np.uint8]:
    """uint8 [48, 64, 3], from a real photograph."""
    data = pytest.importorskip("skimage.data")
    return np.asarray(
        Image.fromarray(data.astronaut()[20:212, 150:406]).resize((64, 48), Image.Resampling.LANCZOS)
    )
