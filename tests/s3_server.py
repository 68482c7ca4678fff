"""A real S3 server for the tests, and a proxy before it that makes the network fail in chosen ways."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tasks.store import s3_client

ACCESS_KEY, SECRET_KEY = "tester", "a-secret-that-must-not-show"
READER_KEY, READER_SECRET = "reader", "another-secret"
START_SECONDS = 180
PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc"),
    *("s3.port", "s3.port.grpc", "s3.port.iceberg", "s3.port.lance"),
)


def free_ports(n: int) -> list[int]:
    """Ports that are free now, all different; below the range from which the system draws its own."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for port in range(20_000 + os.getpid() % 120 * 100, 32_000):
            candidate = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                candidate.bind(("127.0.0.1", port))
                sockets.append(candidate)
            if len(sockets) == n:
                return [candidate.getsockname()[1] for candidate in sockets]
    raise OSError(f"expected {n} free ports, found {len(sockets)}")


def environment(endpoint: str, access_key: str = ACCESS_KEY, secret: str = SECRET_KEY) -> dict[str, str]:
    """The variables with which boto3 finds the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass
class Server:
    """A seaweedfs server in a folder."""

    folder: Path
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, or start again with the same data and ports, and wait until it answers."""
        data, config = self.folder / "data", self.folder / "s3.json"
        if not data.exists():
            data.mkdir(parents=True)
            identities = [
                _identity(ACCESS_KEY, SECRET_KEY, ["Admin", "Read", "List", "Tagging", "Write"]),
                _identity(READER_KEY, READER_SECRET, ["Read", "List"]),
            ]
            config.write_text(json.dumps({"identities": identities}))
            self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
            self.port = self.ports["s3.port"]
        command = [
            *(str(Path(sys.executable).with_name("weed")), "-logtostderr=true", "server", f"-dir={data}"),
            *(
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                "-s3",
                f"-s3.config={config}",
                "-master.telemetry=false",
            ),
            *("-volume.max=20", "-master.volumeSizeLimitMB=64", "-volume.minFreeSpace=1"),
            *(f"-{name}={port}" for name, port in self.ports.items()),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        self._wait()

    def _wait(self) -> None:
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
        )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                client.create_bucket(Bucket="archive")
                client.put_object(Bucket="archive", Key="started", Body=b"x")
                return
            except (client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.put_object(Bucket="archive", Key="started", Body=b"x")
                return
            except (BotoCoreError, ClientError) as error:
                if time.monotonic() > until:
                    tail = (self.folder / "log").read_text(errors="replace")[-2000:]
                    raise TimeoutError(
                        f"S3 server not up within {START_SECONDS} s: {error}\n{tail}"
                    ) from error
                time.sleep(0.2)

    def kill(self) -> None:
        """End at once, as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _identity(access_key: str, secret: str, actions: list[str]) -> dict[str, object]:
    credentials = [{"accessKey": access_key, "secretKey": secret}]
    return {"name": access_key, "credentials": credentials, "actions": actions}


@contextlib.contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """A server for as long as the context lasts."""
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Access:
    """The settings by which boto3 in this process finds a server; a test may choose anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def through(self, endpoint: str, **credentials: str) -> None:
        """Talk to an endpoint from now on."""
        for name, value in environment(endpoint, **credentials).items():
            self._monkeypatch.setenv(name, value)
        s3_client.client.cache_clear()


_BUSY = b"<Error><Code>SlowDown</Code><Message>Slow down.</Message></Error>"
SERVER_BUSY = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)


@dataclass
class Proxy:
    """Passes bytes to a server, and fails as asked.

    Attributes:
        target: Port of the server.
        busy: Connections, from now on, that are answered with 503.
        cut_after: Bytes of an answer after which the connection is cut, for the next `cuts` connections.
        cuts: How many connections are cut.
        drop_answers: Requests, from now on, that reach the server but whose answer is lost.
        bytes_per_second: Of answers; none for as fast as it goes.
        replace: Bytes in answers that are replaced by as many others.
        is_frozen: Nothing passes, either way, and no connection ends.
        n_connections: Connections so far.
        n_refused: Those of them that were answered with 503.
    """

    target: int
    busy: int = 0
    cut_after: int = 0
    cuts: int = 0
    drop_answers: int = 0
    bytes_per_second: int | None = None
    replace: tuple[bytes, bytes] | None = None
    is_frozen: bool = False
    n_connections: int = 0
    n_refused: int = 0
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: set[socket.socket] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def hang_up(self) -> None:
        """Cut every connection, so that what is asked to fail meets those that were kept open too."""
        for client in list(self._open):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _take(self, name: str) -> bool:
        with self._lock:
            left = getattr(self, name)
            setattr(self, name, max(0, left - 1))
            return bool(left)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self._take("busy"):
                self.n_refused += 1
                client.recv(1 << 16)
                client.sendall(SERVER_BUSY)
                return
            self._open.add(client)
            cut = self._take("cuts")
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
                self._downstream(server, client, self.cut_after if cut else None)
                self._open.discard(client)
                client.shutdown(socket.SHUT_RDWR)  # closing alone says nothing while the other thread reads

    def passed(self, data: bytes) -> None:
        """Called with what is sent to the server; a kind of proxy may look at it."""

    def _wait_while_frozen(self) -> None:
        while self.is_frozen:
            time.sleep(0.05)

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self._wait_while_frozen()
                self.passed(data)
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def _downstream(self, server: socket.socket, client: socket.socket, cut_after: int | None) -> None:
        while data := server.recv(1 << 16 if self.bytes_per_second is None else 1 << 12):
            self._wait_while_frozen()
            if self.replace is not None:
                data = data.replace(*self.replace)
            if self.drop_answers and b"100 Continue" not in data and self._take("drop_answers"):
                return
            if cut_after is not None and len(data) >= cut_after:
                client.sendall(data[:cut_after])
                return
            cut_after = None if cut_after is None else cut_after - len(data)
            if self.bytes_per_second is not None:
                time.sleep(len(data) / self.bytes_per_second)
            client.sendall(data)


@contextlib.contextmanager
def proxy_before(server: Server) -> Iterator[Proxy]:
    """A proxy for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(server.port, port=listener.getsockname()[1])
        threading.Thread(target=proxy.run, args=(listener,), daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
