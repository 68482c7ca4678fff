"""Every fault that the operating guide names, done against the real command line, and its outcome.

    make faults

A fault is done to a *place*: a folder of photographs and a store. `inr` runs as a process of its own,
against a Prefect server, an S3 server, workers and file systems that are real. After the fault, and
again after the recovery that the guide names, two verdicts are measured by code that shares nothing
with the flow but the decoder: nothing is lost, and nothing is archived that cannot be decoded.
"""
