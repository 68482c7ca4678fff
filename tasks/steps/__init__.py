"""The steps of a run, each a thin Prefect task over a plain function."""
