"""What a command takes, from its start to its exit: seconds, processor seconds, and memory."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
INR = str(Path(sys.executable).with_name("inr"))

Sample = tuple[float, float, float]


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: From its start to its exit.
        cpu_seconds: Of all processors, by it and the processes that it started and waited for.
        peak_mib: Greatest resident memory of one of these processes. It is at least that of the process
            which started the command, because the system counts from the fork on.
        printed: What it wrote to standard output.
        samples: Unix time, resident MiB of the process, and of the processes that it started.
    """

    seconds: float
    cpu_seconds: float
    peak_mib: float
    printed: str = ""
    samples: Sequence[Sample] = ()


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, sample_seconds: float = 0
) -> Cost:
    """Run a command to its end. Linux only.

    Args:
        command: The words.
        environment: All its variables; those of this process if None.
        sample_seconds: How often its memory is read meanwhile; never if 0.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    samples: list[Sample] = []
    ended = threading.Event()

    def watch(pid: int) -> None:
        while True:
            samples.append((time.time(), resident_mib(pid), sum(map(resident_mib, below(pid)))))
            if ended.wait(sample_seconds):
                return

    started = time.perf_counter()
    with tempfile.TemporaryFile() as out, subprocess.Popen(command, env=environment, stdout=out) as process:
        watcher = threading.Thread(target=watch, args=(process.pid,))
        if sample_seconds:
            watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        ended.set()
        if sample_seconds:
            watcher.join()
        out.seek(0)
        printed = out.read().decode()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed, samples)


def resident_mib(pid: int) -> float:
    """Memory of a process that lies in RAM, in MiB; 0 once it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * PAGE_BYTES / 2**20


def below(pid: int) -> list[int]:
    """The processes that a process has started, directly or through others."""
    children = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += [int(word) for word in listed.read_text(encoding="ascii").split()]
        except OSError:  # the thread has ended
            continue
    return children + [pid for child in children for pid in below(child)]
