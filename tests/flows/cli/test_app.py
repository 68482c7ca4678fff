import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import inr
from flows.cli import exits
from flows.cli.app import app
from tests.flows.command import ROOT, SHORTLY, inr_run, invoke, modules_after
from tests.flows.conftest import GOOD, Archived

HEAVY = {"torch", "prefect", "pyarrow", "PIL", "pydantic", "numpy"}


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
    assert not HEAVY & modules_after("import flows.cli.app")


WHILE_IT_LOADS = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from flows.cli import main
main()
"""


def test_ctrl_c_while_it_loads_ends_it_without_a_word():
    ended = subprocess.run(
        [sys.executable, "-c", WHILE_IT_LOADS, "--help"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


@pytest.mark.parametrize("command", [command.callback.__name__ for command in app.registered_commands])
def test_every_command_explains_its_exit_codes(command: str):
    help_text = " ".join(invoke(command, "--help").output.split())
    for code in ("0 done", "1 some images failed", "2 usage", "3 not a valid bitstream", "130 interrupted"):
        assert code in help_text


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["encode", "{photo}", "-o", "{out}.inr", "--preset", "quick"], 2, "ConfigError: preset"),
        (["encode", "{photo}", "-o", "{out}.inr", "--rd-lambda", "1", "--target-bpp", "1"], 2, "one of"),
        (["encode", "{photo}", "-o", "{out}.inr", "--device", "tpu"], 2, "ConfigError: device"),
        (["encode", "{photo}", "-o", "{out}/no/x.inr"], 2, "existing folder"),
        (["encode", "{photo}", "-o", "{photo}"], 2, "a file of its own"),
        (["encode", "{photo}.png", "-o", "{out}.inr"], 4, "UnsuitableFile: photo.jpg.png cannot be read"),
        (["encode", "{bitstream}", "-o", "{out}.inr"], 4, "UnsupportedImage"),
        (
            ["encode", "{photo}", "-o", "{out}.inr", "--model", "mlp", "--deadline", "1e-9"],
            5,
            "DeadlineExceeded",
        ),
        (["decode", "{bitstream}", "-o", "{out}.jpg"], 2, "ending in .png"),
        (["decode", "{photo}", "-o", "{out}.png"], 3, "BadMagic"),
        (["inspect", "{photo}"], 3, "BadMagic"),
        (["inspect", "{out}"], 4, "UnsuitableFile"),
        (["archive", "{out}", "{out}.store"], 2, "No such file"),
        (["archive", "{photo}", "{photo}"], 2, "expected a folder"),
        (["archive", "{photo}", "{out}", "--min-psnr", "5"], 2, "min_psnr: expected a number from 10"),
        (["archive", "{photo}", "{out}", "--min-psnr", "30", "--max-refits", "99"], 2, "max_refits"),
        (["archive", "{photo}", "{out}", "--max-refits", "-1"], 2, "--max-refits: expected --min-psnr"),
        (["archive", "{photo}", "{out}", "--deployment", "foo"], 2, "one that is deployed, found 'foo'"),
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
    found = json.loads(invoke(*filled, "--json").stdout)["error"]
    seconds = re.compile(r"\d+\.\d s")  # a deadline says how long it took, which differs each time
    assert seconds.sub("", result.stderr) == seconds.sub("", f"inr: {found['type']}: {found['message']}\n")


def test_usage_errors_have_the_documented_code():
    assert invoke("frobnicate").exit_code == exits.USAGE
    assert invoke("encode").exit_code == exits.USAGE


def test_version():
    assert invoke("--version").stdout.strip() == inr.__version__


LATIN_1 = {"PYTHONIOENCODING": "latin-1"}
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [LATIN_1, C_LOCALE])
def test_any_locale_will_do(locale: dict[str, str], bitstream: Path, archived_once: Archived, tmp_path: Path):
    """A character that the locale does not have is an escape; SQL is UTF-8 in any."""
    assert "--rd-lambda" in inr_run("encode", "--help", **locale).stdout
    name = tmp_path / "λ.png"
    decoded = inr_run("decode", bitstream, "-o", name, **locale)
    assert (decoded.returncode, decoded.stderr) == (0, "")
    assert name.exists()
    asked = inr_run("query", archived_once.store, "select 'λ' as name, length('λ') as n", **locale)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout.split() == ["name", "n", r"\u03bb", "1"]


@pytest.mark.parametrize("command", ["encode", "decode", "inspect", "compare", "query", "report", "check"])
def test_commands_that_start_no_run_load_nothing_of_prefect(
    command: str, photo: Path, bitstream: Path, archived_once: Archived, tmp_path: Path
):
    store = archived_once.store
    words = {
        "encode": [photo, "-o", tmp_path / "x.inr", "--model", "mlp", "--preset", "draft"],
        "decode": [bitstream, "-o", tmp_path / "x.png"],
        "inspect": [bitstream],
        "compare": [photo, bitstream],
        "query": [store, "select 1"],
        "report": [store, "-o", tmp_path / "x.html"],
        "check": [tmp_path],
    }
    called = [command, *map(str, words[command])]
    first = SHORTLY if command == "encode" else ""
    loaded = modules_after(f"{first}from flows.cli.app import app; app({called!r}, standalone_mode=False)")
    assert "prefect" not in loaded


def test_verify_and_restore_load_nothing_of_prefect(archived: Archived, tmp_path: Path):
    for words in (["verify"], ["restore", tmp_path / "out"]):
        called = [words[0], str(archived.store), *map(str, words[1:])]
        loaded = modules_after(
            "import os; os.environ.pop('PREFECT_API_URL'); from flows.cli.app import app; "
            f"print(app({called!r}, standalone_mode=False))"
        )
        assert "prefect" not in loaded
    assert len(list((tmp_path / "out").rglob("*.png"))) == len(GOOD) + 1
