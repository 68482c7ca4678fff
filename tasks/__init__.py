"""One task per step of the archive, and what it needs at the edge of the system.

This layer owns what `inr` must not know: files, stores, clocks, catalogues. It imports `inr`; only
`flows` imports it. Importing the package costs nothing: its modules are imported one by one.
"""
