"""The command line, ``inr``."""

import signal


def main() -> None:
    """Run ``inr``. Ctrl-C ends it without a word while it loads, before there is anything to tell."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from flows.cli.app import app

    app(prog_name="inr")
