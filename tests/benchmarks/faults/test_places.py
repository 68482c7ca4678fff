from pathlib import Path

from benchmarks.faults.places import Folder, current_digests, new_place


def test_a_new_place_has_photographs_and_no_store(tmp_path: Path) -> None:
    place = new_place(tmp_path, {"A": "1"}, n_images=3)
    assert len(place.digests) == 3
    assert (place.count("bitstreams"), place.stored.names(), place.vault.exists()) == (0, [], False)


def test_digests_are_of_what_can_be_read_in_folders_below_too(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c.png").write_bytes(b"x")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert list(current_digests(Folder(tmp_path))) == ["a/b/c.png"]


def test_what_the_operator_changes_is_remembered_when_told(tmp_path: Path) -> None:
    place = new_place(tmp_path, {}, n_images=1)
    (place.photos / "new.png").write_bytes(b"x")
    assert len(place.digests) == 1
    place.remember()
    assert len(place.digests) == 2
