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

from tasks.originals.patterns import Patterns

if TYPE_CHECKING:
    from tasks.plan.planning import Plan
    from tasks.settings import RunOptions
    from tasks.store.objects import ObjectStore


@dataclass(frozen=True)
class Purpose:
    """The run that a plan is made for.

    Attributes:
        source: The place of the originals, as the flow is given it.
        store: URL of the archive.
        archive_digest: Digest of what decides the bytes beside the image.
        patterns: What is taken of the originals.
        retry_bad: Whether files are tried again that are known to be bad.
        expect_at_least: Files that there must be, else the source is taken to be missing.
    """

    source: str
    store: str
    archive_digest: str
    patterns: Patterns = Patterns()
    retry_bad: bool = False
    expect_at_least: int = 0

    def plan(self, store: "ObjectStore", options: "RunOptions", *, with_sizes: bool) -> "Plan":
        """A new plan; arguments and errors as `tasks.plan.planning.make_plan` has them."""
        from tasks.plan.planning import make_plan

        return make_plan(
            self.source,
            store,
            self.archive_digest,
            options,
            patterns=self.patterns,
            retry_bad=self.retry_bad,
            with_sizes=with_sizes,
            expect_at_least=self.expect_at_least,
        )


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
