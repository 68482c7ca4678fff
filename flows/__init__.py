"""Prefect flows over the tasks, and the command line over both."""
