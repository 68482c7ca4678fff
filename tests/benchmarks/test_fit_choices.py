import argparse

from benchmarks.fit_choices import CHOICES, Fitted, Result, page


def fitted(choice: str, image: str, bpp: float, seconds: float) -> Fitted:
    return Fitted(
        choice=choice,
        image=image,
        width=8,
        setting=1.0,
        n_bytes=9,
        bpp=bpp,
        psnr_db=100.0,
        encode_seconds=seconds,
        decode_seconds=0.1,
    )


def test_choices_have_names_of_their_own() -> None:
    assert len({choice.name for choice in CHOICES}) == len(CHOICES)


def test_the_page_compares_each_choice_with_the_first_on_the_same_image() -> None:
    first, other = CHOICES[0].name, CHOICES[2].name
    results = [
        fitted(first, "one", 1.0, 10),
        fitted(first, "two", 4.0, 20),
        fitted(other, "one", 1.1, 20),
        fitted(other, "two", 4.8, 40),
    ]
    arguments = argparse.Namespace(names=["one", "two"], rd_lambda=1.0, steps=2000, jobs=2)
    lines = page(Result(results), arguments)
    assert lines[0] == "# What each choice in a fit is worth"
    assert f"| {first} | 2.5000 | 100.00 | 0.0 | 1.00 |" in lines
    assert f"| {other} | 2.9500 | 100.00 | 15.0 | 2.00 |" in lines
