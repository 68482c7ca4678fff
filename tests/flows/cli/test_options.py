import inspect
import re
from collections.abc import Callable

import pytest
from typer.main import get_command

from flows.cli import archive_commands, file_commands
from flows.cli.app import app
from flows.cli.options import check_length, codec_config, contract
from inr.config import MODELS, PRESETS, CodecConfig, Contract
from inr.errors import ConfigError
from tests.flows.command import invoke

ENCODING = (file_commands.encode, archive_commands.archive, archive_commands.plan)
COMMANDS = get_command(app).commands


@pytest.mark.parametrize("command", ENCODING)
def test_options_that_are_not_given_are_the_defaults_of_the_codec(command: Callable[..., None]):
    defaults = {name: found.default for name, found in inspect.signature(command).parameters.items()}
    names = ("model", "preset", "rd_lambda", "target_psnr", "target_bpp", "seed", "hidden")
    assert codec_config(*(defaults[name] for name in names)) == CodecConfig()
    assert contract(30, defaults.get("max_refits")) == Contract(30)


def test_options_become_the_config_that_they_name():
    config = codec_config("mlp", "draft", None, None, 1.5, 7, "keep")
    assert config == CodecConfig(model="mlp", preset="draft", target_bpp=1.5, seed=7, hidden="keep")
    with pytest.raises(ConfigError, match="one of"):
        codec_config("mlp", "draft", 0.1, 30, None, 0, "ignore")
    with pytest.raises(ConfigError, match="hidden: expected one of ignore, keep, found 'show'"):
        codec_config("mlp", "draft", None, None, None, 0, "show")


def test_refits_belong_to_a_contract():
    assert contract(None, None) is None
    assert contract(30, 0) == Contract(30, 0)
    for found in (-1, 0, 3):
        with pytest.raises(ConfigError, match="--max-refits: expected --min-psnr beside it"):
            contract(None, found)
    with pytest.raises(ConfigError, match="max_refits: expected a whole number from 0 to"):
        contract(30, -1)


def test_one_option_alone_says_how_long_a_fit_is():
    for given in ((None, None), ("draft", None), (None, 60.0), (None, None, 10.0)):
        check_length(*given)
    for given in (("draft", 60.0), ("standard", None, 10.0), (None, 60.0, 10.0)):
        with pytest.raises(ConfigError, match=r"^expected one of --preset and a time to say how long"):
            check_length(*given)
    for given in ((None, 0.0), (None, -1.0), (None, float("inf")), (None, None, float("nan"))):
        with pytest.raises(ConfigError, match="expected a number above 0, found"):
            check_length(*given)


@pytest.mark.parametrize("command", ["encode", "archive", "plan"])
def test_a_preset_and_a_time_are_refused_in_one_line(command: str):
    words = ["nothing.png", *(["-o", "nothing.inr"] if command == "encode" else ["store"])]
    result = invoke(command, *words, "--preset", "standard", "--seconds-per-image", 60)
    assert result.exit_code == 2
    assert "found --preset, --seconds-per-image" in result.stderr


def test_help_names_every_model_and_preset():
    words = " ".join(re.sub("[│\n]", " ", invoke("archive", "--help").output).split())
    assert f"Model family: {', '.join(MODELS)}." in words
    assert f"may take: {', '.join(PRESETS)}." in words


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_all_that_is_said_of_each_option_and_its_default(
    command: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "500")  # so that each option has one line
    shown = invoke(command, "--help").output
    for parameter in COMMANDS[command].params:
        assert (parameter.help or "") in shown
        if parameter.default not in (None, False, []):
            assert f"[default: {parameter.default}]" in shown


def test_help_says_of_each_option_whether_it_may_be_given_several_times():
    several = [option for command in COMMANDS.values() for option in command.params if option.multiple]
    assert {option.name for option in several} == {"include", "exclude", "rd_lambda", "model", "drop", "keep"}
    assert all("several times" in option.help or "one or more" in option.help for option in several)
