import pytest

from inr import CodecConfig
from tasks.catalogue.recipe import Recipe
from tasks.catalogue.records import now
from tasks.plan.machine import Machine, PaceAt
from tasks.plan.outlook import Outlook, outlook
from tasks.plan.pace import Bounds, Pace
from tasks.plan.shares import weight_of

POINTS = (PaceAt(1000, Pace(0.01, 0.5, 0.1)), PaceAt(101_000, Pace(0.11, 1.5, 0.2)))
MACHINE = Machine({}, now(), 0.0, POINTS)
CONFIG = CodecConfig(model="cnn")
LEAST = Bounds.of("cnn").least


def test_the_steps_of_a_preset_take_what_they_take():
    found = outlook([1000, 101_000], Recipe(CONFIG, n_steps=100), MACHINE, 2)
    assert found == Outlook(pytest.approx(1.0 + 0.5 + 0.1 + 11.0 + 1.5 + 0.2), 100)
    draft = outlook([1000], Recipe(CodecConfig(preset="draft")), MACHINE, 2)
    assert draft == Outlook(pytest.approx(10.6), 1000)


def test_seconds_for_each_image_become_steps():
    found = outlook([101_000] * 3, Recipe(CONFIG, seconds_per_image=23.7), MACHINE, 2)
    assert found == Outlook(pytest.approx(3 * 23.7), 200)


def test_more_time_than_the_longest_fit_takes_is_not_spent():
    found = outlook([1000], Recipe(CONFIG, seconds_per_image=1e6), MACHINE, 1)
    assert found == Outlook(pytest.approx(20_000 * 0.01 + 0.6), 20_000)


def test_hours_are_shared_by_images_and_workers():
    sizes = [1000, 101_000, 101_000]
    found = outlook(sizes, Recipe(CONFIG, in_hours=True), MACHINE, 2, hours=0.01)
    weights = [weight_of(size) for size in sizes]
    shares = [2 * 36 * weight / sum(weights) for weight in weights]
    steps = [int((shares[0] - 0.6) / 0.01), *[int((share - 1.7) / 0.11) for share in shares[1:]]]
    assert found.n_steps == round(sum(n * size for n, size in zip(steps, sizes, strict=True)) / sum(sizes))
    assert found.seconds == pytest.approx(72)
    alone = outlook([101_000], Recipe(CONFIG, in_hours=True), MACHINE, 8, hours=0.01)
    assert alone.seconds == pytest.approx(36)  # one image has one worker


@pytest.mark.parametrize(
    ("recipe", "hours", "n_too_short", "needed"),
    [
        (Recipe(CONFIG, seconds_per_image=2.0), None, 1, f"{LEAST * 0.11 + 1.7:.3g} s for each image"),
        (Recipe(CONFIG, in_hours=True), 1e-4, 2, None),
    ],
)
def test_a_time_that_is_too_short_says_what_would_be_enough(
    recipe: Recipe, hours: float | None, n_too_short: int, needed: str | None
):
    found = outlook([1000, 101_000], recipe, MACHINE, 1, hours)
    assert found.n_too_short == n_too_short
    assert found.n_steps >= LEAST
    assert found.needed is not None
    if needed is not None:
        assert found.needed == needed
        return
    number, unit = found.needed.split()
    assert unit == "hours"
    enough = outlook([1000, 101_000], recipe, MACHINE, 1, 1.01 * float(number))
    assert (enough.n_too_short, enough.needed) == (0, None)
    assert outlook([1000, 101_000], recipe, MACHINE, 1, 0.98 * float(number)).n_too_short == 1
