import pytest

from inr.errors import ConfigError
from tasks.originals.patterns import Patterns

PATHS = ("a.jpg", "B.JPG", "2019/a.jpg", "2019/raw/b.tif", "2019/raw/deep/c.jpg", "2020/raw", "raw/d[1].jpg")


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("*.jpg", {"a.jpg", "2019/a.jpg", "2019/raw/deep/c.jpg", "raw/d[1].jpg"}),
        ("*.[jJ][pP][gG]", {"a.jpg", "B.JPG", "2019/a.jpg", "2019/raw/deep/c.jpg", "raw/d[1].jpg"}),
        ("?.JPG", {"B.JPG"}),
        ("[!aB]*", {"2019/a.jpg", "2019/raw/b.tif", "2019/raw/deep/c.jpg", "2020/raw", "raw/d[1].jpg"}),
        ("d[[]1].jpg", {"raw/d[1].jpg"}),
        ("raw", {"2019/raw/b.tif", "2019/raw/deep/c.jpg", "2020/raw", "raw/d[1].jpg"}),
        ("raw/", {"2019/raw/b.tif", "2019/raw/deep/c.jpg", "raw/d[1].jpg"}),
        ("2019", {"2019/a.jpg", "2019/raw/b.tif", "2019/raw/deep/c.jpg"}),
        ("2019/*", {"2019/a.jpg", "2019/raw/b.tif", "2019/raw/deep/c.jpg"}),
        ("2019/*.jpg", {"2019/a.jpg"}),
        ("2019/**/*.jpg", {"2019/a.jpg", "2019/raw/deep/c.jpg"}),
        ("2019/raw", {"2019/raw/b.tif", "2019/raw/deep/c.jpg"}),
        ("20??/raw/", {"2019/raw/b.tif", "2019/raw/deep/c.jpg"}),
        ("**/raw/*.*", {"2019/raw/b.tif", "raw/d[1].jpg"}),
        ("**", set(PATHS)),
        ("a.jpg/**", set()),
        ("A.jpg", set()),
        (".*", set()),
    ],
)
def test_a_pattern_is_a_glob(pattern: str, named: set[str]):
    assert {path for path in PATHS if Patterns(include=(pattern,)).takes(path)} == named
    assert {path for path in PATHS if not Patterns(exclude=(pattern,)).takes(path)} == named


def test_one_of_the_included_and_none_of_the_excluded_is_taken():
    patterns = Patterns(include=("2019", "*.JPG"), exclude=("raw", "a.*"))
    assert [path for path in PATHS if patterns.takes(path)] == ["B.JPG"]
    assert all(Patterns().takes(path) for path in PATHS)


@pytest.mark.parametrize("pattern", ["", "/", "/photos/*.jpg", "./a.jpg", "../a.jpg", "a//b", "a/./b", "//"])
def test_what_can_match_nothing_is_refused(pattern: str):
    for name in ("include", "exclude"):
        with pytest.raises(ConfigError, match=f"{name}: expected a pattern for paths below the source"):
            Patterns(**{name: ("*.png", pattern)})
