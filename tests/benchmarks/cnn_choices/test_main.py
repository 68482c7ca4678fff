import argparse

from benchmarks.cnn_choices.__main__ import Result, page, rows_of
from benchmarks.cnn_choices.choices import CHOICES
from benchmarks.cnn_choices.trials import OTHER, Measured


def measured(choice: str, image: str, seed: int, cost: float, seconds: float) -> Measured:
    return Measured(
        choice=choice,
        image=image,
        seed=seed,
        n_bytes=900,
        network_bytes=None if choice == OTHER else 100 * cost,
        cost=cost,
        encode_seconds=seconds,
    )


FIRST = CHOICES[0].name
RESULTS = [
    measured(FIRST, "a", 0, 2.0, 10),
    measured(FIRST, "a", 1, 4.0, 10),
    measured(FIRST, "b", 0, 1.0, 20),
    measured("no filters", "a", 0, 2.2, 20),
    measured("no filters", "a", 1, 4.8, 30),
    measured("no filters", "b", 0, 1.0, 20),
    measured(OTHER, "b", 0, 1.5, 10),
]


def test_each_choice_is_compared_with_the_first_in_pairs() -> None:
    first, other, elsewhere = rows_of(RESULTS)
    assert first == [FIRST, "3", "0.00", "0.00", "233", "1.00"]
    # Ratios of 10, 20 and 0 %: a mean of 10 with a deviation of 10, over the root of three.
    assert other == ["no filters", "3", "10.00", "5.77", "267", "2.00"]
    assert elsewhere[:3] == [OTHER, "1", "50.00"]
    assert elsewhere[5] == "0.50"
    assert elsewhere[3] == elsewhere[4]  # nothing is known of either
    assert elsewhere[3] not in other


def test_the_page_has_a_row_for_each_choice() -> None:
    arguments = argparse.Namespace(names=["a", "b"], side=256, rd_lambda=0.001, steps=1500, seeds=2, jobs=1)
    lines = page(Result(RESULTS), arguments)
    assert lines[0] == "# What each part of family cnn and of its fit is worth"
    assert "| no filters | 3 | 10.00 | 5.77 | 267 | 2.00 |" in lines
    assert sum(line.startswith("| ") for line in lines) >= 1 + 3
