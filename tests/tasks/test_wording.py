import pytest

from tasks.wording import counted


@pytest.mark.parametrize(
    ("n", "expected"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1000, "1000 images")]
)
def test_a_count_and_its_noun_agree(n: int, expected: str):
    assert counted(n, "image") == expected
