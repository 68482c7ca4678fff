"""The object store: bytes under keys, in a folder or in S3. The first room of this floor."""
