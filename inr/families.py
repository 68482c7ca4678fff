"""Family name → reader of its network.

The fitting side is a second map, `encoder.FITTERS`, which a decoder must not need.
"""

import dataclasses
from collections.abc import Callable

from inr.bitstream import Container, Planes
from inr.cnn.network import CnnNetwork
from inr.mlp.network import MlpNetwork
from inr.network import Network

READERS: dict[str, Callable[[Container], Network]] = {
    "mlp": MlpNetwork.read,
    "cnn": CnnNetwork.read,
}


def read_network(container: Container) -> Network | None:
    """Decode a container's network, which has the channels that it codes; None if there is no network.

    Raises:
        InvalidField: A field of its sections is out of range, or the payload is not decodable.
    """
    coded = container.planes.coded(container.channels)
    if not coded:
        return None
    return READERS[container.family](dataclasses.replace(container, channels=len(coded), planes=Planes()))
