"""Files that a decoder must refuse: one rule broken in each, and all else in order.

`cases` names each file, the error that the product gives, the rule that the second decoder names, and makes
it. Which of the page's rules a file stands for is in `rules.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.vectors.forging import container_refusals as container
from tests.vectors.forging import network_refusals as networks


@dataclass(frozen=True)
class Case:
    """A file to be refused: the product's error, the second decoder's rule, and how it is made."""

    error: str
    rule: str
    make: Callable[[], bytes]


@cache
def cases() -> dict[str, Case]:
    """Every file of the folder, by name."""
    makers = (
        *(container.frames, container.headers, container.planes, container.metadata, networks.mlp_fields),
        *(container.payloads, networks.cnn_fields, networks.cnn_values),
    )
    return {name: Case(error, rule, make) for maker in makers for name, error, rule, make in maker()}
