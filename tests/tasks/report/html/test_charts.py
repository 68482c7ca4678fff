import math

import altair as alt
import pytest

from tasks.catalogue.recipe import Goal
from tasks.report.html.charts import (
    histories,
    psnr_histogram,
    rate_histogram,
    rd_curves,
    scatters,
)
from tasks.report.html.comparison import ComparedCurves, Curve
from tasks.report.html.facts import Bin, BitstreamPoint, HistoryPoint
from tasks.report.html.vega import MANY_POINTS, Chart
from tasks.report.sweep import RdPoint

FINE, COARSE = Goal("rd_lambda", 0.001), Goal("rd_lambda", 0.1)


def bitstream(model: str, goal: Goal | None, rate_bpp: float, psnr_db: float) -> BitstreamPoint:
    return BitstreamPoint(model, goal, rate_bpp, psnr_db, f"{model}.png")


def valid(chart: Chart) -> Chart:
    alt.Chart.from_dict(chart.spec)
    assert all(len(row) == len(chart.columns) for row in chart.rows)
    return chart


def test_each_model_has_a_scatter_and_all_have_the_same_axes():
    points = [bitstream("cnn", FINE, 1.0, 40.0), bitstream("mlp", COARSE, 0.1, 20.0)]
    first, second = map(valid, scatters(points))
    assert (first.title, second.title) == ("mlp", "cnn")
    for axis in ("x", "y"):
        domains = [chart.spec["encoding"][axis]["scale"]["domain"] for chart in (first, second)]
        assert domains[0] == domains[1]
    assert first.description.startswith("PSNR over rate of 1 bitstream of mlp: 0.100 to 0.100 bits per pixel")
    assert first.spec["data"]["values"] == [{"bpp": 0.1, "psnr": 20.0, "goal": "λ 0.1", "path": "mlp.png"}]
    assert first.is_dense


def test_the_table_of_a_scatter_has_quantiles_by_goal():
    points = [bitstream("mlp", COARSE, n / 100, 20 + n / 10) for n in range(1, 101)]
    [chart] = map(valid, scatters([*points, bitstream("mlp", None, 3.0, 45.0)]))
    assert len(set(chart.columns)) == len(chart.columns)  # on a phone each stands beside its number
    coarse, others = chart.rows
    assert coarse[:2] == ("λ 0.1", "100")
    assert [float(cell) for cell in coarse[2:5]] == pytest.approx([0.06, 0.505, 0.95], abs=0.01)
    assert others == ("others", "1", "3.000", "3.000", "3.000", "45.00", "45.00", "45.00")


def test_many_points_are_small_and_faint():
    few, many = (
        scatters([bitstream("mlp", FINE, 1.0 + n, 30.0) for n in range(n_points)])[0].spec["mark"]["size"]
        for n_points in (2, MANY_POINTS + 1)
    )
    assert many < few


def test_a_histogram_stacks_its_models_and_counts_every_bitstream():
    bins = [Bin("mlp", 30.0, 31.0, 4), Bin("cnn", 30.0, 31.0, 2), Bin("cnn", 31.0, 32.0, 1)]
    chart = valid(psnr_histogram(bins))
    stacks = [(value["model"], value["from"], value["to"]) for value in chart.spec["data"]["values"]]
    assert stacks == [("mlp", 0, 4), ("cnn", 4, 6), ("cnn", 0, 1)]
    assert chart.description == "PSNR of 7 bitstreams, 30 to 32 dB."
    assert chart.rows[0] == ("mlp", "30 to 31", "4")
    rates = valid(rate_histogram([Bin("mlp", 0.25, 0.5, 3)]))
    assert rates.spec["encoding"]["x"]["scale"] == {"type": "log", "domain": [0.25, 0.5]}
    assert rates.description.startswith("Rate of 3 bitstreams")
    assert rates.rows == (("mlp", "0.250 to 0.500", "3"),)


@pytest.mark.parametrize("n", [1, 2, 3, 900])
@pytest.mark.parametrize("value", [0.0004, 0.37, 6.4, 80.0])
def test_every_axis_names_values_within_it_and_none_twice(n: int, value: float):
    """Of one image and of many, all alike: a count has no halves, and a rate is between two ticks or more."""
    point = bitstream("mlp", FINE, value, 30 + value)
    history = HistoryPoint("mlp", "draft", FINE, float(n), value, 30 + value, 1)
    compared = Curve("mlp", "draft", (rd_point("mlp", 0.01, value, 30.0), rd_point("mlp", 0.02, value, 30.0)))
    drawn = [
        *scatters([point] * n),
        psnr_histogram([Bin("mlp", 30.0, 30.25, n)]),
        rate_histogram([Bin("mlp", value, value * 2**0.25, n)]),
        *histories([history]),
        rd_curves(ComparedCurves(1, (compared,), ())),
    ]
    for encoding in (valid(chart).spec["encoding"] for chart in drawn):
        for axis in (encoding["x"], encoding["y"]):
            low, high = axis["scale"]["domain"]
            values, is_count = axis["axis"]["values"], axis["axis"]["format"] == ",d"
            shown = [f"{each:.0f}" if is_count else f"{each:g}" for each in values]
            assert len(set(shown)) == len(shown) >= 2
            assert all(low - 1e-9 <= each <= high + 1e-9 for each in values)


def test_a_goal_has_one_colour_in_the_charts_of_all_models():
    points = [bitstream("cnn", FINE, 1.0, 40.0), bitstream("mlp", COARSE, 0.1, 20.0)]
    domains = [chart.spec["encoding"]["color"]["scale"]["domain"] for chart in scatters(points)]
    assert domains == [["λ 0.1", "λ 0.001"]] * 2
    lines = [HistoryPoint(each.model, "draft", each.goal or FINE, 1.0, 1.0, 30.0, 1) for each in points]
    assert [c.spec["encoding"]["color"]["scale"]["domain"] for c in histories(lines)] == [domains[0]] * 4


def test_the_history_of_each_family_is_two_charts_with_a_line_per_goal():
    points = [
        HistoryPoint(model, "draft", goal, step, 1.0 + step / 100, 20.0 + step / 10, 3)
        for model in ("cnn", "mlp")
        for goal in (FINE, COARSE)
        for step in range(1, 101)
    ]
    charts = [valid(chart) for chart in histories(points)]
    assert [chart.title for chart in charts] == [
        *("mlp draft: estimated rate", "mlp draft: PSNR"),
        *("cnn draft: estimated rate", "cnn draft: PSNR"),
    ]
    for chart in charts:
        assert {value["goal"] for value in chart.spec["data"]["values"]} == {"λ 0.1", "λ 0.001"}
        last = [row for row in chart.rows if row[0] == "λ 0.1"][-1]
        assert last == ("λ 0.1", "3", "100", "2.000", "30.00")
        assert 20 <= len(chart.rows) <= 24


def rd_point(model: str, rd_lambda: float, rate_bpp: float, psnr_db: float) -> RdPoint:
    return RdPoint(model, "draft", rd_lambda, 2, 100, rate_bpp, psnr_db, 0.9, 1.25, 0.5)


def test_curves_are_lines_and_a_table_that_has_what_no_line_can():
    exact = rd_point("mlp", 0.0001, 9.0, math.inf)
    curves = (
        Curve("mlp", "draft", (rd_point("mlp", 0.01, 0.5, 30.0), exact)),
        Curve("cnn", "draft", (rd_point("cnn", 0.01, 0.4, 31.0),)),
    )
    chart = valid(rd_curves(ComparedCurves(2, curves, ())))
    assert len(chart.spec["data"]["values"]) == 2
    assert len(chart.rows) == 3
    assert chart.rows[1][3] == "inf"
    assert chart.rows[0] == ("mlp draft", "0.01", "0.500", "30.00", "0.9000", "1.2", "0.50")
    assert chart.description == "Mean PSNR over rate of mlp draft, cnn draft on 2 images."
