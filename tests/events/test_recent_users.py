from events.database import open_database
from events.recent import RecentUser, recent_users
from tests.rollout_examples import SPEC, broke_guardrail
from tests.written_rollouts import STARTED, write_rollout


def test_latest_users_first_each_once(url: str) -> None:
    engine = open_database(url)
    write_rollout(engine, broke_guardrail(), SPEC, user_ids=["7", "8", "9"])

    found = recent_users(engine, SPEC.name)

    assert sorted(user.user_id for user in found) == ["7", "8", "9"]
    assert [user.ts for user in found] == [STARTED + number for number in (2999, 2998, 2997)]
    assert (
        recent_users(engine, SPEC.name, limit=1)
        == found[:1]
        == [RecentUser(found[0].user_id, "challenger", 1700002999.0)]
    )


def test_of_an_experiment_that_nobody_saw_there_are_none(url: str) -> None:
    assert recent_users(open_database(url), "nobody") == []
