"""The batches of a run of `archive`: who does them, what becomes of them, and how far they are."""
