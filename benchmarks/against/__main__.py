"""Family `cnn` of this checkout and of another one, in pairs: cost, and processor time at equal cost.

    python -m benchmarks.against --checkout ../before --images kodak --out benchmarks/results/against

Both encode crops of 256x256 at the steps of each of their presets, and this one at fewer steps too, turn by
turn, in one thread. The cost of a file is 1000 · (MSE + λ · bpp), of its bytes and decoded pixels. The time
that this checkout takes to the other one's cost is read off its own points: between two of them the logarithm
of the time is a line over the cost. Then both decode a whole image, each its own file of it. Times are the
processor's, so other work counts little. What is measured stands in a journal in the folder of --work, so
that a run that was interrupted goes on where it was.
"""

from collections.abc import Sequence

from benchmarks import frame
from benchmarks.against.pairs import measure, options, page


def main(words: Sequence[str] | None = None) -> None:
    """Measure and write the result."""
    frame.run("benchmarks.against", words, options=options, measure=measure, page=page)


if __name__ == "__main__":
    main()
