import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import inr
from flows.cli import exits
from flows.cli.app import app
from inr import errors
from tests.flows.conftest import BAD, GOOD, ON_A_CPU, Archived
from tests.tasks.pictures import file_of, image

INR = [sys.executable, "-c", "from flows.cli.app import app; app(prog_name='inr')"]
ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "prefect", "pyarrow", "PIL", "pydantic", "numpy"}


def inr_run(*arguments: object, **environment: str | None) -> "subprocess.CompletedProcess[str]":
    """``inr`` as its own process, with both outputs piped."""
    return subprocess.run(
        [*INR, *map(str, arguments)],
        cwd=ROOT,
        env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def invoke(*arguments: object) -> Result:
    """``inr`` in this process, which has imported everything already."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def photo(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    path = folder / "photo.jpg"
    path.write_bytes(file_of(image(12, 16, 3), "JPEG", exif=exif.tobytes(), icc_profile=b"profile"))
    return path


@pytest.fixture(scope="module")
def encoded(photo: Path, folder: Path) -> dict[str, Any]:
    result = invoke(
        "encode", photo, "-o", folder / "photo.inr", "--model", "mlp", "--preset", "draft", "--json"
    )
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def bitstream(encoded: dict[str, Any]) -> Path:
    return Path(encoded["output"])


@pytest.mark.alone
def test_help_answers_at_once_and_imports_nothing_heavy():
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        result = inr_run("--help")
        seconds.append(time.perf_counter() - started)
        assert result.returncode == 0
        assert "encode" in result.stdout
    assert min(seconds) <= 0.5
    code = "import sys; import flows.cli.app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())


def test_decoding_does_without_what_archives_need():
    """A second of start and 130 MB."""
    code = "import sys; import flows.cli.files, flows.cli.display; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert not {"prefect", "pyarrow", "pandas", "boto3"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    "command",
    [
        "encode",
        "decode",
        "inspect",
        "compare",
        "archive",
        "restore",
        "query",
        "verify",
        "compact",
        "plan",
        "sweep",
    ],
)
def test_every_command_explains_its_exit_codes(command: str):
    help_text = " ".join(invoke(command, "--help").output.split())
    for code in ("0 done", "1 some images failed", "2 usage", "3 not a valid bitstream", "130 interrupted"):
        assert code in help_text


def test_encode_says_what_it_made(encoded: dict[str, Any], bitstream: Path):
    assert bitstream.stat().st_size == encoded["n_bytes"]
    assert encoded["rate_bpp"] == 8 * encoded["n_bytes"] / (12 * 16)
    assert (encoded["width"], encoded["height"], encoded["channels"]) == (16, 12, 3)
    assert encoded["goal"] == "rd_lambda"
    assert encoded["encode_seconds"] >= encoded["fit_seconds"] > 0


def test_decode_writes_the_image_with_its_metadata(encoded: dict[str, Any], bitstream: Path, tmp_path: Path):
    result = invoke("decode", bitstream, "-o", tmp_path / "out.png", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pixels_digest"] == encoded["pixels_digest"]
    with Image.open(tmp_path / "out.png") as decoded:
        assert decoded.size == (16, 12)
        assert decoded.info["icc_profile"] == b"profile"
        assert decoded.getexif()[0x010F] == "maker"
    assert list(tmp_path.iterdir()) == [tmp_path / "out.png"]


def test_inspect_accounts_for_every_byte(encoded: dict[str, Any], bitstream: Path):
    found = json.loads(invoke("inspect", bitstream, "--json").stdout)
    assert sum(section["n_bytes"] for section in found["sections"]) == found["n_bytes"] == encoded["n_bytes"]
    assert sum(tensor["n_symbols"] for tensor in found["tensors"]) == found["n_parameters"]
    text = invoke("inspect", bitstream).stdout
    for part in [*found["sections"], *found["tensors"]]:
        assert part["name"] in text


def test_a_target_is_answered_with_how_close_it_came(photo: Path, tmp_path: Path):
    result = inr_run(
        "encode", photo, "-o", tmp_path / "x.inr", "--model", "mlp", "--preset", "draft", "--target-psnr", 20
    )
    assert result.returncode == 0, result.stderr
    assert "target 20 dB: reached" in result.stdout
    assert result.stderr == ""
    assert not {"\x1b", "\r"} & set(result.stdout)


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["encode", "{photo}", "-o", "{out}.inr", "--preset", "quick"], 2, "ConfigError: preset"),
        (["encode", "{photo}", "-o", "{out}.inr", "--rd-lambda", "1", "--target-bpp", "1"], 2, "one of"),
        (["encode", "{photo}", "-o", "{out}.inr", "--device", "tpu"], 2, "ConfigError: device"),
        (["encode", "{photo}", "-o", "{out}/no/x.inr"], 2, "existing folder"),
        (["encode", "{photo}", "-o", "{photo}"], 2, "a file of its own"),
        (["encode", "{photo}.png", "-o", "{out}.inr"], 4, "SourceError: photo.jpg.png cannot be read"),
        (["encode", "{bitstream}", "-o", "{out}.inr"], 4, "UnsupportedImage"),
        (["encode", "{photo}", "-o", "{out}.inr", "--deadline", "1e-9"], 5, "DeadlineExceeded"),
        (["decode", "{bitstream}", "-o", "{out}.jpg"], 2, "ending in .png"),
        (["decode", "{photo}", "-o", "{out}.png"], 3, "BadMagic"),
        (["inspect", "{photo}"], 3, "BadMagic"),
        (["inspect", "{out}"], 4, "SourceError"),
        (["archive", "{out}", "{out}.store"], 2, "No such file"),
        (["archive", "{photo}", "{photo}"], 2, "expected a folder"),
        (["archive", "{photo}", "{out}", "--min-psnr", "5"], 2, "min_psnr: expected a number from 10"),
        (["archive", "{photo}", "{out}", "--min-psnr", "30", "--max-refits", "99"], 2, "max_refits"),
        (["archive", "{photo}", "ftp://host/x"], 2, "location: expected a path"),
        (["archive", "{photo}", "s3://name:secret@bucket/x"], 2, "found credentials or a port"),
        (["verify", "s3://name:secret@bucket/x"], 2, "found credentials or a port"),
        (["compact", "s3://name:secret@bucket/x"], 2, "found credentials or a port"),
        (["restore", "s3://name:secret@bucket/x", "{out}"], 2, "found credentials or a port"),
        (["archive", "s3://name:secret@bucket/x", "{out}.store"], 2, "found credentials or a port"),
        (["query", "{photo}", "select 1"], 2, "expected a folder"),
        (["restore", "{out}", "{out}", "--format", "gif"], 2, "format: expected png or webp"),
    ],
)
def test_expected_errors_are_a_line_and_a_code(
    arguments: list[str], code: int, reason: str, photo: Path, bitstream: Path, tmp_path: Path
):
    places = {"photo": photo, "bitstream": bitstream, "out": tmp_path / "out"}
    filled = [argument.format(**places) for argument in arguments]
    result = invoke(*filled)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("inr: ")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert result.stdout == ""
    assert "secret" not in result.stderr
    assert list(tmp_path.iterdir()) == []
    told = json.loads(invoke(*filled, "--json").stdout)["error"]
    seconds = re.compile(r"\d+\.\d s")  # a deadline tells how long it took, which is another time each time
    assert seconds.sub("", result.stderr) == seconds.sub("", f"inr: {told['type']}: {told['message']}\n")


def test_usage_errors_have_the_documented_code():
    assert invoke("frobnicate").exit_code == exits.USAGE
    assert invoke("encode").exit_code == exits.USAGE


def test_every_error_of_the_codec_has_an_exit_code():
    kinds = [
        value for value in vars(errors).values() if isinstance(value, type) and value.__subclasses__() == []
    ]
    assert len(kinds) > 9
    assert {exits.exit_code(kind("x")) for kind in kinds} == {exits.USAGE, exits.BITSTREAM, exits.ENCODE}


def test_version():
    assert invoke("--version").stdout.strip() == inr.__version__


def test_archive_shows_a_table_failures_first_and_where_to_look(archived: Archived):
    result = inr_run("archive", archived.source, archived.store, *ON_A_CPU)
    assert result.returncode == exits.IMAGES_FAILED
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["image", "size", "model", "λ", "bpp", "PSNR", "seconds", "verified"]
    assert all("FAILED" in line for line in lines[1 : 1 + len(BAD)])
    assert "empty.png: UnsupportedImage: expected an image, found a file of 0 bytes" in lines
    assert f"0 of 4 images archived and verified, {len(GOOD)} archived before, 4 failed" in lines
    assert {line.split(":")[0] for line in lines[-3:]} == {"catalogue", "report", "Prefect UI"}
    page = Path(lines[-2].removeprefix("report: "))
    assert page.read_text().startswith("<!doctype html>")
    assert page.with_suffix(".md").read_text().startswith("# 0 of 4 images")
    assert result.stderr == ""
    assert not {"\x1b", "\r"} & set(result.stdout)


def test_query_answers_as_a_table_and_as_json(archived_once: Archived):
    sql = "select status, count(*) as n, avg(psnr_db) as psnr, max(recorded_at) as at from images group by 1"
    shown = invoke("query", archived_once.store, sql)
    assert shown.exit_code == exits.OK, shown.output
    assert shown.output.splitlines()[0].split() == ["status", "n", "psnr", "at"]
    assert len(shown.output.splitlines()) == 3
    found = json.loads(invoke("query", archived_once.store, sql, "--json").output)
    assert found["columns"] == ["status", "n", "psnr", "at"]
    assert {row[0]: row[1] for row in found["rows"]} == {"archived": len(GOOD), "failed": len(BAD)}
    assert invoke("query", archived_once.store, "select").exit_code == exits.USAGE


def test_archive_with_nothing_to_do_says_so_without_a_run(archived: Archived):
    for name in BAD:
        (archived.source / name).unlink()
    before = sorted(archived.store.rglob("*"))
    nowhere = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    result = inr_run(
        "archive", archived.source, archived.store, "--model", "mlp", "--preset", "draft", "--json", **nowhere
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["n_planned"], told["n_before"]) == (0, len(GOOD))
    assert sorted(archived.store.rglob("*")) == before


@pytest.mark.parametrize("command", [["plan"], ["archive", "--dry-run"]])
def test_a_plan_says_what_would_be_done_and_does_nothing(archived_once: Archived, command: list[str]):
    before = sorted(archived_once.store.rglob("*"))
    words = (
        *command,
        archived_once.source,
        archived_once.store,
        "--model",
        "mlp",
        "--preset",
        "draft",
        "--workers",
        2,
    )
    found = json.loads(invoke(*words, "--rd-lambda", 0.01, "--json").output)
    assert (found["n_images"], found["n_refused"]) == (len(GOOD) + len(BAD) - 1, len(BAD))
    assert found["n_pixels"] == 16 * 16 + 9 * 17 + 16 * 24 + 1 + 16
    assert found["origin"] == f"{len(GOOD)} images of this archive under other λ"
    assert found["hours"] > 0
    shown = invoke(*words)
    assert shown.exit_code == exits.OK
    assert shown.output.splitlines()[0].startswith(f"plan: {len(BAD) - 1} to archive; {len(GOOD)} archived")
    assert shown.output.splitlines()[-1] == f"by {len(GOOD)} images of this archive under the same settings"
    assert sorted(archived_once.store.rglob("*")) == before


def test_a_plan_without_rates_gives_no_time(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tasks.plan.estimate._of_table", lambda config: [])
    shown = invoke("plan", photo, tmp_path / "store").output.splitlines()
    assert shown[-1] == "by no rates for cnn standard are known"
    assert not any("about" in line for line in shown)


@pytest.mark.parametrize(
    ("hours", "shown"),
    [(0.0, "0 s"), (119 / 3600, "119 s"), (2 / 60, "2 min"), (1.9, "114 min"), (30, "30.0 h")],
)
def test_durations_have_a_unit_that_suits_them(hours: float, shown: str):
    from flows.cli.display import duration

    assert duration(hours) == shown


def test_archive_takes_its_store_from_the_environment_and_brings_its_own_server(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file_of(image(1, 1, 1)))
    alone = {
        "INR_STORE": str(tmp_path / "store"),
        "PREFECT_API_URL": None,
        "PREFECT_HOME": str(tmp_path / "home"),
    }
    result = inr_run("archive", tmp_path / "photos", "--model", "mlp", "--preset", "draft", "--json", **alone)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    told = json.loads(result.stdout)
    assert [row["status"] for row in told["images"]] == ["archived"]
    assert "server start" in told["places"]["Prefect UI"]
