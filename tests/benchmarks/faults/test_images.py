from pathlib import Path

import pytest
from PIL import Image

from benchmarks.faults.images import BAD, BIG, CHMOD, GOOD, KINDS, UNLINK, Kind, mend
from benchmarks.faults.places import Place, new_place
from tasks import errors
from tasks.originals.opening import open_picture


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path, {}, n_images=1)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.mend != UNLINK], ids=lambda kind: kind.what)
def test_a_file_opens_unless_its_kind_says_otherwise(kind: Kind, place: Place) -> None:
    kind.make(place.photos)
    path = place.photos / kind.name
    assert (path.stat().st_mode & 0o777 == 0) == (kind.mend == CHMOD)
    if kind.error in (BAD, BIG):
        with pytest.raises(getattr(errors, kind.error)):
            open_picture(path.read_bytes(), max_pixels=1 << 26)
    else:
        assert open_picture(path.read_bytes(), max_pixels=1 << 26).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.error], ids=lambda kind: kind.what)
def test_what_was_mended_is_a_good_photograph_or_gone(kind: Kind, place: Place) -> None:
    kind.make(place.photos)
    mend(place, kind.name)
    path = place.photos / kind.name
    if kind.mend == UNLINK:
        assert not path.is_symlink()
    else:
        assert path.stat().st_mode & 0o400
        with Image.open(path) as mended, Image.open(place.photos / GOOD) as good:
            assert mended.width == good.width


def test_every_file_that_can_be_read_differs_from_the_others(place: Place) -> None:
    for kind in KINDS:
        kind.make(place.photos)
    place.remember()
    assert len(set(place.digests.values())) == len(place.digests) == len(KINDS)  # the good one, less the loop
