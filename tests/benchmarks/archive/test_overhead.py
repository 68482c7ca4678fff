import argparse

import pytest

from benchmarks.archive.overhead import Archive, Idle, Result, Run, page

ARGUMENTS = argparse.Namespace(side=8, preset="draft", runner="threads", workers=2, steps=6)


def run_of(n_images: int, bare_seconds: list[float]) -> Run:
    return Run(
        n_images=n_images,
        seconds=0.5 * n_images + 10,
        cpu_seconds=0.7 * n_images,
        prefect_seconds=20,
        bare_seconds=bare_seconds,
        flow_seconds=0.5 * n_images,
        encode_seconds=0.4 * n_images,
        verify_seconds=0.05 * n_images,
        memory=[(n_images, 300.0, 200.0)],
        peak_mib=(310.0, 210.0),
        prefect_mib=0.05 * n_images,
        store_mib=1.0,
    )


def test_overhead_is_what_neither_prefect_nor_the_fits_explain():
    assert run_of(240, [80.0, 120.0]).overhead_seconds == pytest.approx(10)
    assert run_of(240, []).overhead_seconds is None


def test_the_page_has_every_figure():
    reruns = [Idle("folder", [5.0, 6.0], [4.0, 4.5]), Idle("S3", [30.0], [20.0])]
    lines = page(Result([run_of(1000, [490]), run_of(10_000, [])], reruns), ARGUMENTS)
    assert lines[0] == "# Archives of 10000 images of 8x8"
    assert "- Steps of a fit: 6 in place of the preset's" in lines
    assert "| what | 1000 images | 10000 images |" in lines
    assert "| **overhead: the command less both**, s | 0.0 | – |" in lines
    assert "| **the same, per image, ms** | 100.0 | 100.0 |" in lines
    assert "| the same, command to exit, ms | 110.0 | 101.0 |" in lines
    assert "| 10000 | 300 | 200 |" in lines
    assert "| folder | 5.0, 6.0 | 4.0, 4.5 |" in lines
    assert "rerun" not in "\n".join(page(Result([run_of(50, [1.0])], []), ARGUMENTS))


def test_another_code_or_another_setting_is_measured_anew():
    other = argparse.Namespace(**{**vars(ARGUMENTS), "steps": None})
    points = [Archive(ARGUMENTS, 50, "1"), Archive(ARGUMENTS, 50, "2"), Archive(other, 50, "1")]
    points += [Archive(ARGUMENTS, 51, "1")]
    assert len({point.key for point in points}) == 4
