import pytest

from tasks.catalogue.keys import BITSTREAM_SUFFIX, FOLDER, SUFFIXES, object_key, object_keys
from tasks.store.objects import checked_key

IMAGE, ARCHIVE = "ab" * 32, "cd" * 32


def test_a_key_is_made_of_the_image_and_of_what_decides_its_file():
    assert object_key(IMAGE, ARCHIVE, ".inr") == f"bitstreams/ab/{IMAGE}/{ARCHIVE}.inr"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_key_is_one_that_a_store_takes(suffix: str):
    key = object_key(IMAGE, ARCHIVE, suffix)
    assert checked_key(key) == key
    assert key.startswith(f"{FOLDER}/")
    assert key.endswith(suffix)


def test_an_image_has_a_key_for_each_kind_of_file():
    keys = object_keys(IMAGE, ARCHIVE)
    assert len(set(keys)) == len(SUFFIXES) == 4
    assert keys[0] == object_key(IMAGE, ARCHIVE, BITSTREAM_SUFFIX)
    assert not set(keys) & set(object_keys("00" * 32, ARCHIVE))
    assert not set(keys) & set(object_keys(IMAGE, "00" * 32))
