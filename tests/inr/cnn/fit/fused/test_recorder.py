"""The recorder, where nothing is recorded; on a card whole fits are (../test_encoder.py)."""

import torch

from inr.cnn.fit.fused.recorder import Recorder


def test_without_a_card_work_is_done_each_time() -> None:
    recorder, seen = Recorder(torch.device("cpu")), []
    for n in range(5):
        recorder.play("one", lambda n=n: seen.append(n))
        recorder.play("other", lambda: seen.append("other"))
    assert seen == [0, "other", 1, "other", 2, "other", 3, "other", 4, "other"]
