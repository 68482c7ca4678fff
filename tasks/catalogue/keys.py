"""The keys of stored images. They are content addresses: of the image, and of all that decides its file."""

BITSTREAM_SUFFIX = ".inr"
SUFFIXES = (BITSTREAM_SUFFIX, ".webp", ".png", ".jxl")
FOLDER = "bitstreams"
STORE_FOLDERS = (FOLDER, "catalogue", "journal", "runs", "reports", ".tmp")  # all that a store writes to


def object_key(image_digest: str, archive_digest: str, suffix: str) -> str:
    """The key of an image's object under a config; `suffix`, one of `SUFFIXES`, says what the object is."""
    return f"{FOLDER}/{image_digest[:2]}/{image_digest}/{archive_digest}{suffix}"


def object_keys(image_digest: str, archive_digest: str) -> tuple[str, ...]:
    """Every key that the object of an image under a config may have."""
    return tuple(object_key(image_digest, archive_digest, suffix) for suffix in SUFFIXES)
