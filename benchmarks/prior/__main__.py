"""The networks that files of family `cnn` are differences from: fitted to many photographs at once.

    python -m benchmarks.prior make CROPS --out inr/cnn/priors.json
    python -m benchmarks.prior fit CROPS --rd-lambda 0.001 --channels 3 --steps 1000 --out one.json
    python -m benchmarks.prior join one.json two.json --out inr/cnn/priors.json

`fit` makes one set of networks from a folder of crops (`benchmarks.photographs` cuts them) on a graphics
card: every crop has latents of its own, and the networks are shared by all. It begins with the prior of that
many channels whose λ is nearest, or with one that `--start` names; `--go-on-from` takes over networks and
latents of a fit at another λ, or in RGB where this one is in grey. `join` writes sets into one file, whose
order gives their numbers. `make` does both for every set of `stages.STAGES`; it keeps the sets in `--work`,
with the states that others go on from, and makes those that are missing. What is written is a new page of the
format. Kodak's images measure this codec, and are not to be among the photographs.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.prior.crops import read_crops
from benchmarks.prior.entries import join, write
from benchmarks.prior.shared_fit import SharedFit
from benchmarks.prior.stages import STAGES
from benchmarks.prior.start import nearest


def fit(arguments: argparse.Namespace) -> None:
    """Make one set of networks; the state at its end goes beside it, for fits that go on from it."""
    start = nearest(arguments.channels, arguments.rd_lambda, arguments.start)
    crops = read_crops(arguments.crops, arguments.channels, side=arguments.side, every=arguments.every)
    shared = SharedFit(crops, start, arguments.rd_lambda, arguments.steps, device=arguments.device)
    if arguments.go_on_from:
        shared.go_on_from(torch.load(arguments.go_on_from, weights_only=True))
    began = time.monotonic()
    for step, cost in shared.run():
        print(
            f"step {step} of {arguments.steps}: cost {cost:.4f}, {time.monotonic() - began:.0f} s", flush=True
        )
    torch.save(shared.state(), arguments.out.with_suffix(".pt"))
    write([shared.entry()], arguments.out)  # last: it says that the fit is at its end


def make(arguments: argparse.Namespace) -> None:
    """Make the sets that are missing, or whose state is and others go on from it; join all.

    Trials, which take a share of the steps, have a folder of their own.
    """
    share = arguments.share_of_steps
    work = arguments.work if share == 1 else arguments.work / f"share_of_{share:g}"
    work.mkdir(parents=True, exist_ok=True)
    made = [work / f"{stage.name}.json" for stage in STAGES]
    missing: set[str] = set()
    for stage, path in reversed(list(zip(STAGES, made, strict=True))):
        if not path.exists() or stage.name in missing:
            missing.add(stage.name)
            if stage.after is not None and not (work / f"{stage.after}.pt").exists():
                missing.add(stage.after)
    for stage, path in zip(STAGES, made, strict=True):
        if stage.name not in missing:
            continue
        print(f"{stage.name}: λ = {stage.rd_lambda:g}, {stage.channels} channels", flush=True)
        before = None if stage.after is None else work / f"{stage.after}.pt"
        n_steps = max(1, round(stage.n_steps * share))
        own = {"channels": stage.channels, "rd_lambda": stage.rd_lambda, "steps": n_steps, "out": path}
        fit(argparse.Namespace(**{**vars(arguments), **own, "go_on_from": before}))
    join(made, arguments.out)


def main(words: Sequence[str] | None = None) -> None:
    """Make sets of networks, or join them."""
    parser = argparse.ArgumentParser(prog="benchmarks.prior", description="Networks shared by photographs.")
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("fit", help="make one set of networks")
    every = commands.add_parser("make", help="make every set that is missing, and write priors.json")
    for command in (one, every):
        command.add_argument("crops", type=Path, help="folder of crops")
        command.add_argument("--side", type=int, default=512, help="pixels on a side of each crop's part")
        command.add_argument("--every", type=int, default=1, help="take every so manieth crop")
        command.add_argument("--start", type=Path, help="file of the prior to begin with, in place of inr's")
        command.add_argument(
            "--device",
            choices=("cuda", "cpu"),
            default="cuda",
            help="cpu: in Triton's interpreter, for tests",
        )
        command.add_argument("--out", type=Path, required=True)
    one.add_argument("--channels", type=int, choices=(1, 3), default=3)
    one.add_argument("--rd-lambda", type=float, default=1e-3)
    one.add_argument("--steps", type=int, default=1000)
    one.add_argument("--go-on-from", type=Path, metavar="PT", help="state of a fit at another λ, or in RGB")
    one.set_defaults(run=fit)
    every.add_argument("--work", type=Path, default=Path("build/priors"), help="folder of the sets")
    every.add_argument("--share-of-steps", type=float, default=1.0, help="less for a trial")
    every.set_defaults(run=make)
    several = commands.add_parser("join", help="write sets into one file")
    several.add_argument("sets", type=Path, nargs="+")
    several.add_argument("--out", type=Path, required=True)
    several.set_defaults(run=lambda given: join(given.sets, given.out))
    arguments = parser.parse_args(words)
    arguments.run(arguments)


if __name__ == "__main__":
    main()
