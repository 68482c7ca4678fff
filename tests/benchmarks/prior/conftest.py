from importlib.util import find_spec

if find_spec("triton") is None:
    collect_ignore = ["test_main.py", "test_shared_fit.py"]
