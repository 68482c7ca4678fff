"""Images of which a network codes some channels, or none: FORMAT.md, section 1, the byte `planes`."""

from collections.abc import Callable

from inr.bitstream import Metadata, Planes, pack, varint
from inr.network import Network
from tests.inr.networks import container_of, made_up_cnn, made_up_mlp, mlp, pyramid
from tests.vectors.forging.raw import METADATA, colour_prior, file, grey_prior

GREY = 1 << 4


def _within(network: Network, channels: int, planes: Planes, metadata: Metadata = Metadata()) -> bytes:
    """The file of an image that has a network for some of its channels."""
    return pack(container_of(network, metadata, channels=channels, planes=planes))


def _of_mlp(coded: int, channels: int, planes: Planes, seed: int) -> bytes:
    network = made_up_mlp(mlp(coded, 9, 2, 4, 2), seed=seed, width=14, height=11)
    return _within(network, channels, planes)


def without_network(*values: int, **other) -> bytes:
    """An image whose channels have these values at every pixel."""
    size = {"channels": len(values), "planes": (1 << len(values)) - 1, "constants": bytes(values)}
    return file(b"", b"", **size | other)


FILES: dict[str, Callable[[], bytes]] = {
    "planes_grey": lambda: _of_mlp(2, 4, Planes(is_grey=True), 1),
    "planes_constant": lambda: _of_mlp(1, 3, Planes({0: 17, 2: 0}), 2),
    "planes_grey_of_three": lambda: _of_mlp(1, 3, Planes(is_grey=True), 4),
    "planes_alpha_alone": lambda: _of_mlp(1, 4, Planes({0: 3, 1: 2, 2: 1}), 5),
    "planes_last_of_two": lambda: _of_mlp(1, 2, Planes({1: 129}), 6),
    "cnn_planes_grey_opaque": lambda: _within(
        made_up_cnn(pyramid(grey_prior().number, 13, 9, 2), seed=3), 4, Planes({3: 254}, is_grey=True)
    ),
    "cnn_planes_second_of_four": lambda: _within(
        made_up_cnn(pyramid(colour_prior().number, 7, 6, 2), seed=7), 4, Planes({1: 77})
    ),
    "planes_of_one_value": lambda: without_network(0),
    "planes_of_four_values": lambda: without_network(255, 1, 128, 9, family=2, metadata=METADATA),
    # What section 8 says of the family's pixels is said of networks alone.
    "planes_of_many_pixels": lambda: without_network(200, family=2, width=varint(8192), height=varint(4097)),
}
