"""The command line, ``inr``: one Typer app over the commands of three modules.

``inr --help`` must answer at once, so nothing imported at the top of this module and of those may import
torch, Prefect, pyarrow, pydantic or Pillow; a test looks. A command imports the work that it needs.
"""

from typing import Annotated, Any

import typer

from flows.cli import archive_commands, exits, file_commands, store_commands
from flows.cli.printing import hold_closed_streams, write_in_any_locale
from flows.cli.running import framed, in_one_line
from inr import __version__


class _App(typer.Typer):
    """The app, whose help can be written in any locale, too, and whatever stream is closed."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        hold_closed_streams()
        write_in_any_locale()
        return super().__call__(*args, **kwargs)


app = _App(
    help="Photographs as small neural networks: encode, decode, inspect, and archive whole folders.",
    epilog=exits.EXPLAINED,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Photographs as small neural networks: encode, decode, inspect, and archive whole folders."""


for _command in (
    file_commands.encode,
    file_commands.decode,
    file_commands.inspect,
    file_commands.compare,
    archive_commands.archive,
    archive_commands.plan,
    archive_commands.sweep,
    store_commands.query,
    store_commands.report,
    store_commands.verify,
    store_commands.restore,
    store_commands.compact,
    store_commands.check,
    store_commands.prune,
):
    app.command(epilog=exits.EXPLAINED)(framed(_command))
app.command(epilog=exits.EXPLAINED)(in_one_line(archive_commands.worker))  # which heeds signals itself
