"""``inr`` in a terminal of its own, where Ctrl-C reaches every process of the foreground group."""

import os
import pty
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.flows.command import INR, ROOT


@dataclass
class Ended:
    """How a command ended: its code, the seconds since it was told to, and what it wrote in them."""

    code: int
    seconds: float
    text: str


class Terminal:
    """A terminal, whose session and foreground group a command leads."""

    def __init__(self, *arguments: object, **environment: str) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(ROOT)
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_DFL)
                words = [*INR, *map(str, arguments)]
                os.execve(words[0], words, {**os.environ, "TERM": "xterm", **environment})
            finally:
                os._exit(127)
        self._is_closed = False
        self._text = b""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Read what is written until something holds."""
        until = time.monotonic() + 240
        while not condition():
            assert time.monotonic() < until, self._text
            assert os.waitpid(self.pid, os.WNOHANG)[0] == 0, self._text
            self._read(0.05)

    def end(self, how: str) -> Ended:
        """End it, by ``Ctrl-C``, by ``SIGTERM`` to the group, or else by closing the terminal."""
        while self._read(0.0):
            pass
        self._text, started = b"", time.monotonic()
        if how == "Ctrl-C":
            os.write(self.master, b"\x03")
        elif how == "SIGTERM":
            os.killpg(self.pid, signal.SIGTERM)
        else:
            os.close(self.master)
            self._is_closed = True
        while True:
            self._read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - started > 60:
                os.killpg(self.pid, signal.SIGKILL)
        seconds = time.monotonic() - started
        while self._read(0.0):
            pass
        if not self._is_closed:
            os.close(self.master)
        return Ended(os.waitstatus_to_exitcode(status), seconds, self._text.decode())

    def _read(self, seconds: float) -> bool:
        """Take what is written, waiting so long for it; False if there was nothing."""
        if self._is_closed:
            time.sleep(seconds)
            return False
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            found = os.read(self.master, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self._text += found
        return bool(found)
