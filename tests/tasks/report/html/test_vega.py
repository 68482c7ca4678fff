import altair as alt

from inr.config import MODELS
from tasks.catalogue.recipe import Goal
from tasks.report.html import vega
from tasks.report.html.vega import (
    OTHERS,
    by_goal,
    by_model,
    goal_name,
    of_counts,
    of_psnr,
    of_rate,
    ordered,
    rank,
    rate_text,
    short,
    spec_of,
)


def lam(value: float) -> Goal:
    return Goal("rd_lambda", value)


def test_goals_come_once_from_few_bits_to_many_and_the_others_last():
    goals = [None, lam(0.001), lam(0.1), Goal("target_psnr_db", 30.0), lam(0.1), None, lam(0.01)]
    assert ordered(goals) == [lam(0.1), lam(0.01), lam(0.001), Goal("target_psnr_db", 30.0), None]
    assert ordered([Goal("target_bpp", 1.0), Goal("target_bpp", 0.5)])[0] == Goal("target_bpp", 0.5)


def test_a_goal_is_shown_by_its_value_and_too_many_as_others():
    assert goal_name(lam(0.01)) == "λ 0.01"
    assert goal_name(None) == OTHERS


def test_models_are_sorted_as_commands_name_them_and_unknown_ones_last():
    assert sorted(["zebra", *reversed(MODELS), "alpaca"], key=rank) == [*MODELS, "alpaca", "zebra"]
    assert rank(MODELS[0], "best") < rank(MODELS[0], "draft") < rank(MODELS[1], "best")


def test_a_long_path_is_shown_by_its_end():
    assert short("a/b.png") == "a/b.png"
    path = "folder/" * 20 + "name.png"
    assert len(short(path)) == vega.LONGEST_PATH
    assert short(path).startswith("…")
    assert short(path).endswith("/name.png")


def test_the_legend_of_goals_has_their_order_and_few_columns():
    for n_goals, n_columns in ((1, 1), (4, 4), (5, 3), (8, 4)):
        colour = by_goal([lam(2.0**-n) for n in range(n_goals)]).to_dict()
        assert colour["sort"] == colour["scale"]["domain"]
        assert len(colour["sort"]) == n_goals
        assert colour["legend"]["columns"] == n_columns
    assert by_model().to_dict()["sort"] == list(MODELS)


def test_a_chart_carries_its_data_and_no_colour_of_its_own():
    values = [{"bpp": 0.5, "psnr": 30.0, "goal": "λ 0.01"}]
    chart = alt.Chart().mark_point().encode(x=alt.X("bpp:Q", **of_rate(0.1, 1.0)), color=by_goal([lam(0.01)]))
    spec = spec_of(chart, values)
    assert spec["data"] == {"values": values}
    assert "range" not in spec["encoding"]["color"]["scale"]
    alt.Chart.from_dict(spec)


def test_the_version_of_vega_lite_is_that_of_the_schema():
    major, minor = vega.VEGA_LITE.split(".")
    assert alt.SCHEMA_VERSION.startswith(f"v{major}.{minor}.")


def test_axes_name_round_values_of_their_range():
    assert of_psnr(29.5, 34.0)["axis"].values == [30, 31, 32, 33, 34]
    assert of_rate(0.1, 1.0)["axis"].values == [0.1, 0.2, 0.3, 0.5, 0.7, 1]
    assert of_counts("bitstreams", 2)["axis"].values == [0, 1, 2]
    assert of_counts("bitstreams", 2)["scale"].domain == [0, 2]


def test_a_small_rate_is_not_nothing():
    rates = (0.0, 25 * 8 / 2**26, 0.00495, 0.03125, 0.1, 1.5, 24.0)
    assert [*map(rate_text, rates)] == [
        *("0.000", "0.00000298", "0.00495", "0.0312", "0.100", "1.500", "24.000")
    ]
