import dataclasses

import numpy as np
import pytest

from inr import CodecConfig, ConfigError
from inr.config import DEFAULT_RD_LAMBDA, Contract


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "gan"}, "model: expected one of mlp, cnn, found 'gan'"),
        ({"preset": "slow"}, "preset: expected one of draft, standard, best"),
        ({"rd_lambda": 0.0}, "rd_lambda"),
        ({"rd_lambda": float("nan")}, "rd_lambda"),
        ({"target_psnr_db": 61.0}, "target_psnr_db: expected a number from 10 to 60, found 61.0"),
        ({"target_bpp": -1.0}, "target_bpp"),
        ({"rd_lambda": 0.1, "target_bpp": 1.0}, "expected one of"),
        ({"seed": -1}, "seed"),
        ({"hidden": "show"}, "hidden"),
        ({"seed": 2**32}, "seed"),
        ({"seed": 1.5}, "seed: expected a whole number from 0 to 4294967295, found 1.5"),
        ({"rd_lambda": "0.1"}, "rd_lambda: expected a number from 1e-05 to 1, found '0.1'"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CodecConfig(**arguments)  # type: ignore[arg-type]  # the error under test


def test_without_a_goal_lambda_has_its_default() -> None:
    assert CodecConfig().rd_lambda == DEFAULT_RD_LAMBDA
    assert CodecConfig().model == "cnn"
    assert CodecConfig(target_psnr_db=30).rd_lambda is None


def test_equal_configs_share_a_digest_and_others_do_not() -> None:
    config = CodecConfig(rd_lambda=0.004)
    assert config.digest() == CodecConfig(rd_lambda=4e-3).digest()
    others = [dataclasses.replace(config, **change) for change in ({"seed": 1}, {"preset": "best"})]
    assert len({config.digest(), CodecConfig().digest(), *(other.digest() for other in others)}) == 4


def test_numbers_are_taken_of_any_kind_and_kept_as_one() -> None:
    for one, other in (
        ({"rd_lambda": 1}, {"rd_lambda": 1.0}),
        ({"target_psnr_db": np.float32(35)}, {"target_psnr_db": 35}),
        ({"seed": np.int64(3)}, {"seed": 3}),
    ):
        assert CodecConfig(**one) == CodecConfig(**other)
        assert CodecConfig(**one).digest() == CodecConfig(**other).digest()
    assert Contract(np.int16(30), np.uint8(2)) == Contract(30.0, 2)
    for wrong in ((9, 3), ("30", 3), (30, 2.0), (30, 11)):
        with pytest.raises(ConfigError, match=r"min_psnr|max_refits"):
            Contract(*wrong)


def test_the_canonical_json_is_this() -> None:
    """Keys in a store hang on it."""
    assert CodecConfig(model="mlp", preset="draft", target_bpp=0.5).to_json() == (
        '{"hidden":"ignore","model":"mlp","preset":"draft","rd_lambda":null,"seed":0,"target_bpp":0.5,"target_psnr_db":null}'
    )
