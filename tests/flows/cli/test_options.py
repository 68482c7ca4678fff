import inspect
import re
from collections.abc import Callable

import pytest

from flows.cli import archive_commands, file_commands
from flows.cli.options import codec_config, contract_of
from inr.config import MODELS, PRESETS, CodecConfig
from inr.errors import ConfigError
from tasks.catalogue.contract import Contract
from tests.flows.command import invoke

ENCODING = (file_commands.encode, archive_commands.archive, archive_commands.plan)


@pytest.mark.parametrize("command", ENCODING)
def test_options_that_are_not_given_are_the_defaults_of_the_codec(command: Callable[..., None]):
    defaults = {name: found.default for name, found in inspect.signature(command).parameters.items()}
    names = ("model", "preset", "rd_lambda", "target_psnr", "target_bpp", "seed")
    assert codec_config(*(defaults[name] for name in names)) == CodecConfig()


def test_options_become_the_config_that_they_name():
    config = codec_config("mlp", "draft", None, None, 1.5, 7)
    assert config == CodecConfig(model="mlp", preset="draft", target_bpp=1.5, seed=7)
    with pytest.raises(ConfigError, match="one of"):
        codec_config("mlp", "draft", 0.1, 30, None, 0)


def test_without_a_psnr_there_is_no_contract_and_refits_have_the_default_of_contracts():
    assert contract_of(None, 5) is None
    assert contract_of(30, None) == Contract(30)
    assert contract_of(30, 0) == Contract(30, 0)
    with pytest.raises(ConfigError, match="max_refits"):
        contract_of(30, 11)


def test_help_names_every_model_and_preset_and_the_refits_of_a_contract():
    words = " ".join(re.sub("[│\n]", " ", invoke("archive", "--help").output).split())
    assert f"Model family: {', '.join(MODELS)}." in words
    assert f"may take: {', '.join(PRESETS)}." in words
    assert f"meet the contract. [{Contract(30).max_refits}]" in words
