"""The plan of a run, its estimate, and the claims and batches that it keeps while it works."""
