import json

import pytest

from inr import BitstreamError, inspect
from inr.bitstream import SECTIONS
from tests.inr.conftest import VECTORS

INDEX = json.loads((VECTORS / "vectors.json").read_text())


@pytest.mark.parametrize("name", ["rgb_metadata", "wide_symbols", "cnn_rgb_alpha", "cnn_flat"])
def test_sections_and_tensors_account_for_every_byte(name: str) -> None:
    data = (VECTORS / f"{name}.inr").read_bytes()
    found = inspect(data)
    assert sum(section.n_bytes for section in found.sections) == found.n_bytes == len(data)
    assert [section.name for section in found.sections] == ["header", *SECTIONS, "crc"]
    assert [found.height, found.width, found.channels] == INDEX[name]["shape"]
    assert sum(tensor.n_symbols for tensor in found.tensors) == found.n_parameters
    assert all(tensor.bits >= 0 and tensor.n_zero <= tensor.n_symbols for tensor in found.tensors)
    assert sum(part.n_symbols for part in found.parts) == found.n_parameters
    assert sum(part.bits for part in found.parts) == pytest.approx(sum(t.bits for t in found.tensors))
    payload = next(section.n_bytes for section in found.sections if section.name == "payload")
    assert sum(tensor.bits for tensor in found.tensors) == pytest.approx(8 * payload, abs=128)
    assert found.rate_bpp == 8 * len(data) / (found.width * found.height)


def test_the_network_the_levels_and_the_hyperlatents_are_counted_together() -> None:
    found = inspect((VECTORS / "cnn_five_levels.inr").read_bytes())
    assert [part.name for part in found.parts] == ["network", "levels", "hyperlatents"]
    network, levels, hyper = found.parts
    assert [t.name for t in found.tensors if t.part == "levels"] == [f"level{n}" for n in range(5)]
    assert [t.name for t in found.tensors if t.part == "hyperlatents"] == ["hyper4"]
    assert levels.n_symbols == 33 * 23 + 17 * 12 + 9 * 6 + 5 * 3 + 3 * 2
    assert hyper.n_symbols == 3 * 2
    assert network.n_symbols == found.n_parameters - levels.n_symbols - hyper.n_symbols
    assert network.n_zero == sum(t.n_zero for t in found.tensors if t.part == "network")
    alone = inspect((VECTORS / "rgb.inr").read_bytes())
    assert [part.name for part in alone.parts] == ["network"]


def test_metadata_is_counted_uncompressed() -> None:
    found = inspect((VECTORS / "rgb_metadata.inr").read_bytes())
    assert (found.icc_bytes, found.exif_bytes, found.xmp_bytes) == (400, 20, 108)


def test_what_is_no_file_is_named() -> None:
    with pytest.raises(BitstreamError):
        inspect(b"")


@pytest.mark.parametrize("name", ["flat", "1x1"])
def test_a_file_without_a_network_is_inspected(name: str) -> None:
    found = inspect((VECTORS / f"{name}.inr").read_bytes())
    assert (found.architecture, found.tensors, found.n_parameters) == ({}, (), 0)
    assert found.multiply_adds_per_pixel == 0
    assert set(found.constants) == {0, 1, 2}


def test_channels_that_no_network_codes_are_named() -> None:
    found = inspect((VECTORS / "cnn_planes_grey_opaque.inr").read_bytes())
    assert (found.channels, found.constants, found.is_grey) == (4, {3: 254}, True)
    assert found.n_parameters > 0
