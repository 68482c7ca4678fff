"""A summary of as little as one can be, for tests of runs."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counted:
    """Counts items, and keeps their results by name."""

    n_planned: int
    run_id: str = ""
    n_done: int = 0
    n_failed: int = 0
    n_bad: int = 0
    wall_seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)

    def count(self, name: str, result: Any) -> None:
        self.n_done += 1
        self.n_failed += isinstance(result, Exception)
        self.found[name] = result

    def headline(self) -> str:
        return f"{self.n_done} of {self.n_planned} done, {self.n_failed} failed"
