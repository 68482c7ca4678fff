import inspect
import re
from collections.abc import Callable

import pytest

from flows.cli import archive_commands, file_commands
from flows.cli.options import codec_config
from inr.config import MODELS, PRESETS, CodecConfig, Contract
from inr.errors import ConfigError
from tests.flows.command import invoke

ENCODING = (file_commands.encode, archive_commands.archive, archive_commands.plan)


@pytest.mark.parametrize("command", ENCODING)
def test_options_that_are_not_given_are_the_defaults_of_the_codec(command: Callable[..., None]):
    defaults = {name: found.default for name, found in inspect.signature(command).parameters.items()}
    names = ("model", "preset", "rd_lambda", "target_psnr", "target_bpp", "seed", "hidden")
    assert codec_config(*(defaults[name] for name in names)) == CodecConfig()
    assert defaults.get("max_refits", Contract(30).max_refits) == Contract(30).max_refits


def test_options_become_the_config_that_they_name():
    config = codec_config("mlp", "draft", None, None, 1.5, 7, "keep")
    assert config == CodecConfig(model="mlp", preset="draft", target_bpp=1.5, seed=7, hidden="keep")
    with pytest.raises(ConfigError, match="one of"):
        codec_config("mlp", "draft", 0.1, 30, None, 0, "ignore")
    with pytest.raises(ConfigError, match="hidden: expected one of ignore, keep, found 'show'"):
        codec_config("mlp", "draft", None, None, None, 0, "show")


def test_help_names_every_model_and_preset():
    words = " ".join(re.sub("[│\n]", " ", invoke("archive", "--help").output).split())
    assert f"Model family: {', '.join(MODELS)}." in words
    assert f"may take: {', '.join(PRESETS)}." in words
