from benchmarks.prior.stages import STAGES


def test_a_stage_goes_on_from_one_before_it_and_never_from_grey_to_colour() -> None:
    seen = {}
    for stage in STAGES:
        if stage.after is not None:
            assert seen[stage.after].channels >= stage.channels
        assert stage.name not in seen
        seen[stage.name] = stage
    assert {stage.channels for stage in STAGES} == {1, 3}
