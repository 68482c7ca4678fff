"""The networks that files of family `cnn` are differences from: fitted to many photographs at once.

    python -m benchmarks.prior fit CROPS --rd-lambda 0.001 --channels 3 --passes 150 --out one.json
    python -m benchmarks.prior join one.json two.json --out inr/cnn/priors.json

`fit` makes one set of networks from a folder of crops (`benchmarks.photographs` cuts them): every crop has
latents of its own, and the networks are shared by all. It begins with the prior of that many channels whose λ
is nearest, or with one that `--start` names; `--go-on-from` takes over networks and latents of a fit at
another λ, or in RGB where this one is in grey. `join` writes sets into one file, whose
order gives their numbers. What is written is a new page of the format. Kodak's images measure this codec, and
are not to be among the photographs.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.prior.crops import read_crops
from benchmarks.prior.entries import join, write
from benchmarks.prior.shared_fit import SharedFit
from benchmarks.prior.start import nearest


def fit(arguments: argparse.Namespace) -> None:
    """Make one set of networks; what there is after each tenth pass is written too."""
    torch.set_num_threads(1)  # a crop for each thread instead
    start = nearest(arguments.channels, arguments.rd_lambda, arguments.start)
    crops = read_crops(arguments.crops, arguments.channels, side=arguments.side, every=arguments.every)
    shared = SharedFit(
        crops,
        start,
        arguments.rd_lambda,
        device=arguments.device,
        threads=arguments.threads,
        crops_per_step=arguments.crops_per_step,
    )
    if arguments.go_on_from:
        shared.go_on_from(arguments.go_on_from)
    began = time.monotonic()
    for index, cost in enumerate(shared.run(arguments.passes, arguments.minutes), 1):
        print(
            f"pass {index} of {arguments.passes}: cost {cost:.4f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
        if index % 10 == 0:
            write([shared.entry(arguments.rd_lambda)], arguments.out)
    write([shared.entry(arguments.rd_lambda)], arguments.out)
    shared.save(arguments.out.with_suffix(".pt"))


def main(words: Sequence[str] | None = None) -> None:
    """Make sets of networks, or join them."""
    parser = argparse.ArgumentParser(prog="benchmarks.prior", description="Networks shared by photographs.")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("fit", help="make one set of networks")
    one.add_argument("crops", type=Path, help="folder of crops")
    one.add_argument("--channels", type=int, choices=(1, 3), default=3)
    one.add_argument("--side", type=int, default=512, help="pixels on a side of what is taken of each crop")
    one.add_argument("--every", type=int, default=1, help="take every so manieth crop")
    one.add_argument("--rd-lambda", type=float, default=1e-3)
    one.add_argument("--passes", type=int, default=150)
    one.add_argument("--minutes", type=float, help="time in which rates decay, in place of so many passes")
    one.add_argument("--start", type=Path, help="file of the prior to begin with, in place of inr's")
    one.add_argument("--go-on-from", type=Path, metavar="PT", help="state of a fit at another λ")
    one.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    one.add_argument("--threads", type=int, default=2)
    one.add_argument("--crops-per-step", type=int, default=8)
    one.add_argument("--out", type=Path, required=True)
    one.set_defaults(run=fit)
    several = commands.add_parser("join", help="write sets into one file")
    several.add_argument("sets", type=Path, nargs="+")
    several.add_argument("--out", type=Path, required=True)
    several.set_defaults(run=lambda given: join(given.sets, given.out))
    arguments = parser.parse_args(words)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
