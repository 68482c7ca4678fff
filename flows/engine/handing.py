"""A command hands its plan to the flow that it starts in the same process.

The command plans first, because where nothing is to do no flow starts. Parameters of a flow are JSON
and go to Prefect's server, so the plan goes beside them; without it every original would be read and
digested once more.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks.plan.planning import Plan


@dataclass(frozen=True)
class Purpose:
    """The run that a plan is made for.

    Attributes:
        source: The place of the originals, as the flow is given it.
        store: URL of the archive.
        archive_digest: Digest of what decides the bytes beside the image.
    """

    source: str
    store: str
    archive_digest: str


_handed: ContextVar["dict[Purpose, Plan] | None"] = ContextVar("handed", default=None)


@contextmanager
def handing(purpose: Purpose, plan: "Plan") -> Iterator[None]:
    """While the body runs, have a plan ready for the first flow that asks for one of this purpose."""
    token = _handed.set({purpose: plan})
    try:
        yield
    finally:
        _handed.reset(token)


def taken(purpose: Purpose) -> "Plan | None":
    """The plan that was handed over for a purpose, once: a second attempt of a flow has to plan anew."""
    handed = _handed.get()
    return None if handed is None else handed.pop(purpose, None)
