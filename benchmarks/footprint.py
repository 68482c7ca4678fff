"""The memory and time of a command, and how far it is: sampled from outside, while it runs."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECONDS_BETWEEN_SAMPLES = 2.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Footprint:
    """What a command took.

    Attributes:
        seconds: From its start to its exit.
        cpu_seconds: Of all processors, by it and the processes that it started and waited for.
        printed: What it wrote to standard output.
        samples: Unix time, resident MiB of the process, and of the processes that it started.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    printed: str = ""
    samples: list[tuple[float, float, float]] = field(default_factory=list)


def run(command: Sequence[str], environment: Mapping[str, str]) -> Footprint:
    """Runs a command to its end. Linux only.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    found, started, before = Footprint(), time.perf_counter(), _cpu_seconds()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while True:
            found.samples.append(
                (time.time(), resident_mib(process.pid), sum(map(resident_mib, below(process.pid))))
            )
            try:
                found.printed, _ = process.communicate(timeout=SECONDS_BETWEEN_SAMPLES)
                break
            except subprocess.TimeoutExpired:
                continue
    found.seconds, found.cpu_seconds = time.perf_counter() - started, _cpu_seconds() - before
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, found.printed)
    return found


def _cpu_seconds() -> float:
    """Of the processes that this one has started and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_mib(pid: int) -> float:
    """Memory of a process that lies in RAM, in MiB; 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * _PAGE_BYTES / 2**20


def below(pid: int) -> list[int]:
    """The processes that a process has started, theirs included."""
    children = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(word) for word in listed.read_text(encoding="ascii").split()]
        except OSError:  # the thread has ended
            continue
    return children + [pid for child in children for pid in below(child)]
