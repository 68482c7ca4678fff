from inr.bitstream import MAX_METADATA_BYTES, Metadata
from tasks.originals.formats.carried import Carried, shown


def test_names_of_what_is_dropped_are_listed_once_and_not_without_end():
    found = Carried()
    found.drop("tags", ["a", "b", "a"])
    found.drop("chunks", [])
    found.drop("texts", [f"text {n}" for n in range(25)])
    assert found.notes[0] == "tags dropped: a, b"
    assert found.notes[1].endswith("text 19 and 5 more")
    assert len(found.notes) == 2


def test_a_name_from_a_file_is_shown_without_what_a_terminal_obeys():
    assert shown("\x1b[31mred\n") == "\ufffd[31mred\ufffd"
    assert shown("n" * 100) == "n" * 39 + "…"


def test_a_resolution_and_bytes_after_the_picture_are_noted_if_there_are_any():
    found = Carried()
    found.drop_resolution(0, 0, "dpi")
    found.trailing(0)
    found.trailing(-3)
    assert found.notes == []
    found.drop_resolution(300, 300, "dpi")
    found.trailing(9)
    assert found.notes == ["resolution dropped: 300 x 300 dpi", "9 bytes after the picture dropped"]


def test_what_is_kept_is_as_long_as_a_bitstream_holds_it():
    most = bytes(MAX_METADATA_BYTES)
    found = Carried(icc_profile=most, exif=most + b"1", xmp=b"")
    assert found.metadata() == Metadata(icc_profile=most)
    assert found.notes == [f"exif of {len(most) + 1} bytes dropped: at most {len(most)} are kept"]
