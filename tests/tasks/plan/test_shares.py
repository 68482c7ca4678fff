import heapq
import random
from collections.abc import Callable

import pytest

from tasks.plan.shares import PIXELS_BESIDE, ROUNDS, Shares, weight_of


def run(
    n_pixels: list[int],
    hours: float,
    n_workers: int,
    off_by: Callable[[int], float] = lambda number: 1.0,
) -> tuple[float, list[float]]:
    """A run in which an image takes its share times what it is off by; its end in hours, and the shares."""
    weights = {str(number): weight_of(pixels) for number, pixels in enumerate(n_pixels)}
    shares, seconds = Shares(1000.0 + hours * 3600, n_workers, weights), []
    running: list[tuple[float, str]] = []
    now = 1000.0
    for number in range(len(n_pixels)):
        if len(running) == n_workers:
            now, name = heapq.heappop(running)
            shares.end(name)
        seconds.append(shares.take(str(number), now))
        heapq.heappush(running, (now + seconds[-1] * off_by(number), str(number)))
    return (max(at for at, _ in running) - 1000.0) / 3600, seconds


def test_a_share_goes_with_the_pixels_and_what_an_image_takes_beside_them():
    end, seconds = run([10_000, 1_000_000, 400_000], 1.0, 1)
    assert end == pytest.approx(1.0)
    weights = [10_000 + PIXELS_BESIDE, 1_000_000 + PIXELS_BESIDE, 400_000 + PIXELS_BESIDE]
    assert seconds == pytest.approx([3600 * weight / sum(weights) for weight in weights])


@pytest.mark.parametrize("n_workers", [1, 2, 3, 8])
@pytest.mark.parametrize("n_images", [1, 2, 7, 8, 100, 300])
def test_a_run_ends_on_time_whatever_its_images_leave_or_take(n_images: int, n_workers: int):
    draw = random.Random(n_images)
    n_pixels = [draw.randrange(1000, 3_000_000) for _ in range(n_images)]
    noise = [draw.uniform(0.85, 1.1) for _ in range(n_images)]
    end, _ = run(n_pixels, 2.0, n_workers, lambda number: noise[number])
    # The last images alone are off by what they are off by.
    assert 2.0 * 0.75 < end < 2.0 * 1.11 if n_images <= n_workers * 2 else 2.0 * 0.9 < end < 2.0 * 1.05


def test_what_images_leave_that_took_no_fit_is_spread_over_the_others():
    end, seconds = run([1_000_000] * 100, 1.0, 2, lambda number: 0.0 if number < 50 else 1.0)
    assert end == pytest.approx(1.0, rel=0.01)
    assert seconds[0] == pytest.approx(72.0, rel=0.01)
    assert seconds[60] == pytest.approx(144.0, rel=0.01)


def test_what_images_overrun_is_taken_from_the_others():
    end, seconds = run([1_000_000] * 100, 1.0, 1, lambda number: 1.5 if number < 50 else 1.0)
    assert end == pytest.approx(1.0, rel=0.01)
    assert seconds[-1] < seconds[0]


def test_three_images_of_two_workers_are_fitted_alike():
    _, seconds = run([1_000_000] * 3, 1.0, 2)
    assert seconds == pytest.approx([1800.0] * 3, rel=0.01)


def test_workers_are_looked_at_one_by_one_only_where_few_images_are_left():
    few, many = (run([1_000_000] * (ROUNDS * 2 + n), 1.0, 2)[1][0] for n in (-1, 1))
    assert few == pytest.approx(3600 / 8, rel=0.001)  # eight turns of one of the two workers
    assert many == pytest.approx(7200 / 17, rel=0.001)


def test_an_image_that_will_be_refused_takes_nothing_and_no_time_is_none():
    assert weight_of(0) == 0
    _, seconds = run([0, 500_000], 1.0, 1)
    assert seconds == [0.0, pytest.approx(3600.0)]
    assert Shares(10.0, 1, {"late": 5}).take("late", 11.0) == 0.0


def test_groups_take_the_shares_of_their_images_at_once_the_next_one_before_the_last_has_ended():
    """On a card, which makes one fit at a time, the next group is opened while the last one is fitted."""
    weights = {str(number): weight_of(1_000_000 + 50_000 * number) for number in range(16)}
    shares, names, seconds = Shares(3600.0, 1, weights), list(weights), list[float]()
    now, before = 0.0, list[str]()
    for start in range(0, 16, 4):
        group = names[start : start + 4]
        seconds += [shares.take(name, now) for name in group]
        now += sum(seconds[start - 4 : start]) if start else 0.0
        for name in before:
            shares.end(name)
        before = group
    assert seconds == pytest.approx([3600 * weight / sum(weights.values()) for weight in weights.values()])
