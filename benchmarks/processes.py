"""The cost of a command, from its start to its exit: seconds, processor seconds, and memory."""

import json
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
# The system counts the memory of a process from before its program starts, when it still shares that of the
# process which starts it. So that is a small one, which leaves what it counted in the file that it is given.
STARTER = """
import json, os, sys, time
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
counted = [time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]
with open(sys.argv[1], "w") as out:
    json.dump(counted, out)
sys.exit(os.waitstatus_to_exitcode(status))
"""

Sample = tuple[float, float, float]


@dataclass(frozen=True)
class Cost:
    """The cost of a command.

    Attributes:
        seconds: Time from its start to its exit.
        cpu_seconds: Processor time of it and of the processes that it started and waited for.
        peak_mib: Greatest resident memory of one of these processes.
        printed: Its standard output.
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
        environment: All its environment variables; those of this process if None.
        sample_seconds: Time between readings of its memory; none are made if 0.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    samples: list[Sample] = []
    ended = threading.Event()

    def watch(starter: int) -> None:
        while sample_seconds and not ended.wait(sample_seconds):
            if processes := below(starter):
                own, *others = map(resident_mib, processes)
                samples.append((time.time(), own, sum(others)))

    with tempfile.TemporaryFile() as out, tempfile.NamedTemporaryFile() as counted:
        words = [sys.executable, "-I", "-S", "-c", STARTER, counted.name, *command]
        with subprocess.Popen(words, env=environment, stdout=out) as starter:
            watcher = threading.Thread(target=watch, args=(starter.pid,))
            watcher.start()
            starter.wait()
            ended.set()
            watcher.join()
        out.seek(0)
        printed = out.read().decode()
        if starter.returncode:
            raise subprocess.CalledProcessError(starter.returncode, command, printed)
        seconds, cpu_seconds, peak_mib = json.loads(counted.read())
        return Cost(seconds, cpu_seconds, peak_mib, printed, samples)


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
