"""A gateway before the S3 server of the tests, which makes it a server that lacks a part of the protocol.

It passes requests on, but for what it is told to leave out, and signs them anew. There are such servers:
some take no notice of ``If-None-Match``, and some answer 501 to calls that they do not know.
"""

import contextlib
import hashlib
import http.client
import threading
from collections.abc import Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3_server import ACCESS_KEY, SECRET_KEY, Server

UNKNOWN = b"<Error><Code>NotImplemented</Code><Message>A header or a query is not known.</Message></Error>"
OUR_OWN = {"authorization", "connection", "expect", "host", "x-amz-date", "x-amz-content-sha256"}


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: Server
    drops: Collection[str] = ()
    refuses: Collection[str] = ()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if any(name in headers or name in self.path for name in self.refuses):
            self.respond(501, [("Content-Type", "application/xml")], UNKNOWN)
            return
        passed = {name: value for name, value in headers.items() if name not in {*OUR_OWN, *self.drops}}
        passed["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        request = AWSRequest(self.command, f"{self.target.endpoint}{self.path}", passed, body)
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(self.command, self.path, body, dict(request.headers))
            found = connection.getresponse()
            self.respond(found.status, found.getheaders(), found.read())

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815  names of http.server

    def respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"connection", "transfer-encoding"} and (
                name.lower() != "content-length" or self.command == "HEAD"
            ):
                self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def gateway_before(
    server: Server, *, drops: Collection[str] = (), refuses: Collection[str] = ()
) -> Iterator[str]:
    """A gateway for as long as the context lasts; yields its URL.

    Args:
        server: Passes requests on to this one.
        drops: Names of headers that it takes no notice of.
        refuses: Names of headers, or parts of paths and queries, that it answers with 501.
    """
    parts = {"target": server, "drops": drops, "refuses": refuses}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Gateway", (_Gateway,), parts)) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
