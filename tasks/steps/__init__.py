"""The steps of a run, each a plain function; `flows.engine.tasks` makes Prefect's tasks of them."""
