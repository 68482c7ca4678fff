import pytest

from tasks.wording import counted, without_secrets


@pytest.mark.parametrize(
    ("n", "expected"), [(0, "0 images"), (1, "1 image"), (2, "2 images"), (1000, "1000 images")]
)
def test_a_count_and_its_noun_agree(n: int, expected: str):
    assert counted(n, "image") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://me:hunter2@host:4200/api", "http://…@host:4200/api"),
        ("s3:///KEY:SEC/RET@bucket/x", "s3://…@bucket/x"),
        ("no answer of 'https://host/a?X-Amz-Signature=5ec' yet", "no answer of 'https://host/a?…' yet"),
        ("http://a:b@c/d is not http://e/f, said me@home, or was it?", None),
        ("http://host:4200/api, /photos/a@b?c", None),
    ],
)
def test_an_address_is_shown_without_user_and_query(text: str, expected: str | None):
    assert without_secrets(text) == (text.replace("a:b", "…") if expected is None else expected)
