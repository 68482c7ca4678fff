import inspect as python_inspect
import re

import pytest

from inr import errors, search
from inr.errors import InrError

CLASSES = [value for value in vars(errors).values() if python_inspect.isclass(value)]


@pytest.mark.parametrize("kind", [*CLASSES, search.ContractMissed])
def test_every_error_has_its_place_in_the_drawn_tree(kind: type[InrError]) -> None:
    drawn = re.findall(r"^ {4}([ │├└─]*)(\w+)", errors.__doc__ or "", re.MULTILINE)
    depths = {name: len(lines) // 4 for lines, name in drawn}
    assert issubclass(kind, InrError)
    assert depths[kind.__name__] == len([base for base in kind.__mro__ if issubclass(base, InrError)]) - 1


def test_the_callers_errors_are_value_errors_too() -> None:
    assert issubclass(errors.ConfigError, ValueError)
