from flows.engine.handing import Purpose, handing, taken
from tasks.originals.patterns import Patterns
from tasks.plan.planning import Plan

PURPOSE = Purpose("photos", "store", "digest")
PLAN = Plan((), (), n_archived=3, n_duplicates=0, left_out={})


def test_a_plan_is_taken_once_so_that_a_second_attempt_plans_anew():
    with handing(PURPOSE, PLAN):
        assert taken(PURPOSE) is PLAN
        assert taken(PURPOSE) is None


def test_a_plan_is_for_one_source_store_and_config():
    with handing(PURPOSE, PLAN):
        for other in (
            Purpose("others", "store", "digest"),
            Purpose("photos", "elsewhere", "digest"),
            Purpose("photos", "store", "another"),
            Purpose("photos", "store", "digest", Patterns(include=("*.png",))),
            Purpose("photos", "store", "digest", retry_bad=True),
            Purpose("photos", "store", "digest", expect_at_least=1),
        ):
            assert taken(other) is None
        assert taken(PURPOSE) is PLAN


def test_nothing_is_handed_over_once_the_command_is_over():
    with handing(PURPOSE, PLAN):
        pass
    assert taken(PURPOSE) is None
