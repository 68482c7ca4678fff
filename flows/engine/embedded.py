"""Prefect's embedded server, which a run starts where no other is named, ends with the run however that ends.

Prefect stops it when Python exits. A run that is killed exits without that, so a shell waits beside the
server for the end of a pipe, whose other end only this process holds: the kernel closes that in any case.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def embedded_server() -> Iterator[None]:
    """Start Prefect's embedded server, if Prefect would, and have it ended should this process be killed."""
    from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE

    if PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # the one of this process, which Prefect will find started
    server.start()
    assert server.server_process is not None
    watch = ["sh", "-c", 'read -r _; kill "$0"', str(server.server_process.pid)]
    # A session of its own: Ctrl-C on a terminal is for the run alone.
    with subprocess.Popen(watch, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.kill()
