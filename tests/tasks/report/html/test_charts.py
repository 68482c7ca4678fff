from tasks.catalogue.recipe import Goal
from tasks.report.html.charts import MANY_POINTS, histories, psnr_histogram, rate_histogram, scatters
from tasks.report.html.facts import Bin, BitstreamPoint, HistoryPoint

COARSE, FINE = Goal("rd_lambda", 0.01), Goal("rd_lambda", 0.001)


def points(model: str, n: int) -> list[BitstreamPoint]:
    return [
        BitstreamPoint(model, (COARSE, FINE)[i % 2], 0.1 + 0.01 * i, 30 + 0.1 * i, f"{i}.png")
        for i in range(n)
    ]


def test_a_scatter_per_model_with_quantiles_per_goal():
    cnn, mlp = points("cnn", 4), points("mlp", 2)
    charts = scatters([*cnn, *mlp])
    assert [chart.title for chart in charts] == ["mlp", "cnn"]
    assert charts[1].description == (
        "PSNR over rate of 4 bitstreams of cnn: 0.100 to 0.130 bits per pixel, 30.0 to 30.3 dB."
    )
    assert [row[:2] for row in charts[1].rows] == [("λ 0.01", "2"), ("λ 0.001", "2")]
    assert len(charts[1].spec["data"]["values"]) == 4
    axes = [chart.spec["encoding"]["x"]["scale"] for chart in charts]
    assert axes[0] == axes[1]


def test_many_points_are_small_and_pale():
    few, many = (scatters(points("cnn", n))[0].spec["mark"]["size"] for n in (10, MANY_POINTS + 1))
    assert many < few


def test_histograms_stack_models_and_count_all():
    bins = [Bin("mlp", 30.0, 31.0, 2), Bin("cnn", 30.0, 31.0, 3), Bin("cnn", 31.0, 32.0, 1)]
    chart = psnr_histogram(bins)
    assert [(value["from"], value["to"]) for value in chart.spec["data"]["values"]] == [
        (0, 2),
        (2, 5),
        (0, 1),
    ]
    assert chart.description == "PSNR of 6 bitstreams, 30 to 32 dB."
    assert rate_histogram([Bin("cnn", 0.25, 0.5, 4)]).rows == (("cnn", "0.250 to 0.500", "4"),)


def test_a_history_has_two_charts_and_a_dozen_rows_with_the_last():
    steps = [HistoryPoint("cnn", "draft", FINE, 10.0 * n, 1 / n, 20.0 + n, 3) for n in range(1, 101)]
    rate, quality = histories(steps)
    assert rate.title == "cnn draft: estimated rate"
    assert quality.title == "cnn draft: PSNR"
    assert len(rate.rows) <= 13
    assert rate.rows[-1] == ("λ 0.001", "3", "1000", "0.010", "120.00")
