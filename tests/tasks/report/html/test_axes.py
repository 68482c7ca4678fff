import pytest

from inr.config import MODELS
from tasks.catalogue.recipe import Goal
from tasks.report.html.axes import (
    MAX_COLUMNS,
    OTHERS,
    by_goal,
    extent,
    goal_text,
    ordered,
    padded,
    padded_log,
    rank,
    short,
    spec,
)


def test_goals_come_from_few_bits_to_many_and_the_others_last():
    goals = [
        None,
        Goal("rd_lambda", 0.001),
        Goal("rd_lambda", 0.1),
        Goal("target_bpp", 0.5),
        Goal("rd_lambda", 0.1),
    ]
    assert [goal_text(goal) for goal in ordered(goals)] == ["λ 0.1", "λ 0.001", "0.5 bpp", OTHERS]


def test_models_come_in_the_order_of_commands_and_unknown_ones_last():
    assert sorted(["zebra", *reversed(MODELS)], key=rank) == [*MODELS, "zebra"]


@pytest.mark.parametrize(("n_goals", "n_columns"), [(2, 2), (MAX_COLUMNS, MAX_COLUMNS), (7, 4)])
def test_a_legend_is_no_wider_than_a_phone(n_goals: int, n_columns: int):
    colour = by_goal([Goal("rd_lambda", 0.001 * (1 + n)) for n in range(n_goals)]).to_dict()
    assert colour["legend"]["columns"] == n_columns
    assert len(colour["scale"]["domain"]) == n_goals


def test_domains_have_a_margin():
    assert extent([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert padded([30.0, 30.0]) == [29.5, 30.5]
    low, high = padded_log([0.1, 10.0])
    assert low < 0.1 < 10.0 < high


def test_long_paths_are_cut_at_their_beginning():
    assert short("a.png") == "a.png"
    assert short("x" * 100 + "a.png").endswith("a.png")
    assert len(short("x" * 500)) == 80


def test_data_are_put_in_unchecked():
    class Empty:
        def to_dict(self) -> dict[str, str]:
            return {"mark": "line"}

    assert spec(Empty(), [{"a": 1}]) == {"mark": "line", "data": {"values": [{"a": 1}]}}
