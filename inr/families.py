"""Family name → reader of its network.

The fitting side is a second map, `encoder.FITTERS`, which a decoder must not need.
"""

from collections.abc import Callable

from inr.bitstream import Container
from inr.cnn.network import CnnNetwork
from inr.mlp.network import MlpNetwork
from inr.network import Network

READERS: dict[str, Callable[[Container], Network]] = {
    "mlp": MlpNetwork.read,
    "cnn": CnnNetwork.read,
}


def read_network(container: Container) -> Network:
    """Decode a container's network.

    Raises:
        InvalidField: A field of its sections is out of range, or the payload is not decodable.
    """
    return READERS[container.family](container)
