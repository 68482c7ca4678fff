"""The servers that faults are done to, and the places before them."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks.faults.installation import Installation
from benchmarks.faults.places import Bucket, Folder, Place, new_place
from tests.s3_server import Proxy, Server, environment, free_ports, proxy_before, running_server


class Scenery:
    """Prefect's server, and an S3 server with a network before it once a fault wants that.

    Args:
        folder: Where everything of theirs is, and every place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        [port] = free_ports(1)
        self.installation = Installation(folder, port)
        self._server: Server | None = None
        self._proxy: Proxy | None = None

    def __enter__(self) -> "Scenery":
        self.installation.start()
        self._stack.callback(self.installation.kill)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def server(self) -> Server:
        """An S3 server."""
        if self._server is None:
            self._server = self._stack.enter_context(running_server(self.folder / "s3"))
        return self._server

    @property
    def proxy(self) -> Proxy:
        """The network before it."""
        if self._proxy is None:
            self._proxy = self._stack.enter_context(proxy_before(self.server))
        return self._proxy

    def in_folders(self, name: str) -> Place:
        """A place whose source and store are folders."""
        return new_place(self.folder / name, self.installation.variables)

    def in_s3(self, name: str) -> Place:
        """A place whose store is in S3, reached through the proxy; this program reaches it past that."""
        place = self.in_folders(name)
        place.store, place.stored = f"s3://archive/{name}", Bucket(environment(self.server.endpoint), name)
        place.variables = {**place.variables, **environment(self.proxy.endpoint)}
        return place

    def all_in_s3(self, name: str) -> Place:
        """A place whose source is in S3 as well."""
        place, photos = self.in_s3(name), Bucket(environment(self.server.endpoint), f"{name}-photos")
        for photo in Folder(place.photos).names():
            photos.write(photo, (place.photos / photo).read_bytes())
        place.source, place.originals = f"s3://archive/{name}-photos", photos
        return place
