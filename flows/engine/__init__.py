"""How items of work are run, whatever they are: workers, progress, artifacts."""
