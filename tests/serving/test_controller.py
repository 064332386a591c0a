from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import RolloutError, ServerError
from events.rollouts import current_route, load_rollout
from serving import controller as controller_module
from serving.controller import RolloutController, begin_rollout
from serving.deployers.base import Deployment
from serving.looks import distinct_units, looks_taken, step_results
from serving.replay import replay
from serving.result_documents import look_document
from tests.real_postgres import RealPostgres
from tests.rollout_worlds import CHALLENGER, CHAMPION, Registry, World, a_spec, deployer, go_on
from tests.rollout_worlds import world as world


def test_a_better_challenger_is_promoted_step_by_step(world: Callable[..., World], tmp_path: Path) -> None:
    here, place = world(), deployer(tmp_path)
    record = go_on(here, here.controller(place))
    looks = looks_taken(here.engine, here.spec.name)
    assert record.decision == "promote"
    assert record.reasons == ("guardrails_held",)
    assert here.registry == Registry(champion="2", previous="1", challenger=None)
    assert place.deployment == Deployment(CHALLENGER)
    route = current_route(here.engine)
    assert route is not None
    assert (route.percent, route.champion_url, route.champion_version) == (0, "http://2.test", "2")
    assert route.challenger_url is None
    assert [look.look for look in looks] == list(range(1, len(looks) + 1))
    assert [look.step_percent for look in looks[:2]] == [10, 10]
    assert [(look.step_percent, look.decision) for look in looks[-2:]] == [(100, "continue"), (100, "promote")]
    assert looks[-3].decision == "promote"
    assert looks[-1].sessions - looks[-3].sessions == here.spec.rollout.watch_sessions
    assert looks[-3].ci_lower > 0
    assert np.isnan(looks[-1].effect_size)


def test_on_postgresql_every_look_is_the_same_to_the_last_bit(
    world: Callable[..., World], tmp_path: Path, postgres: RealPostgres
) -> None:
    taken = []
    for here in (world(), world(url=postgres.new_log())):
        record = go_on(here, here.controller(deployer(tmp_path)))
        assert record.decision == "promote"
        looks = looks_taken(here.engine, here.spec.name)
        assert [one.differing for one in replay(here.engine, here.spec)] == [()] * len(looks)
        # Commits are not the same: the batches are not.
        taken.append([{**look_document(look), "log_commits": None} for look in looks])
    assert taken[0] == taken[1]


def test_what_each_step_saw_adds_up(world: Callable[..., World], tmp_path: Path) -> None:
    here = world()
    go_on(here, here.controller(deployer(tmp_path)))
    looks = looks_taken(here.engine, here.spec.name)
    steps = step_results(here.engine, here.spec, looks)
    last_of_test = [look for look in looks if look.step_percent < 100][-1]
    assert [step.percent for step in steps] == [10, 50, 100]
    assert steps[0].sessions == 100
    assert sum(step.sessions for step in steps) == looks[-1].sessions
    assert sum(step.challenger_sessions for step in steps[:2]) == last_of_test.challenger_sessions
    assert sum(step.control_sessions for step in steps[:2]) == last_of_test.control_sessions
    assert steps[2].challenger_sessions == steps[2].sessions == 80
    assert np.isnan(steps[2].control_mean)
    assert sum(step.looks for step in steps) == len(looks)
    assert 0 < distinct_units(here.engine, here.spec) <= 97


def test_a_worse_challenger_is_rolled_back(world: Callable[..., World], tmp_path: Path) -> None:
    here, place = world(rates={"champion": 0.8, "challenger": 0.1}), deployer(tmp_path)
    record = go_on(here, here.controller(place))
    assert (record.decision, record.reasons) == ("rollback", ("primary_worse",))
    assert here.registry == Registry(champion="1", previous=None, challenger=None)
    assert place.deployment == Deployment(CHAMPION)
    route = current_route(here.engine)
    assert route is not None
    assert (route.percent, route.champion_version, route.challenger_url) == (0, "1", None)


def test_no_difference_keeps_the_champion(world: Callable[..., World], tmp_path: Path) -> None:
    here = world(rates={"champion": 0.5, "challenger": 0.5})
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert (record.decision, record.reasons) == ("keep", ("no_boundary_crossed",))
    assert here.registry == Registry(champion="1", previous=None, challenger=None)
    assert looks_taken(here.engine, here.spec.name)[-1].sessions == here.spec.total_sessions


def test_a_failing_challenger_is_rolled_back_by_its_errors(world: Callable[..., World], tmp_path: Path) -> None:
    here = world(fails_from=60)
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert record.decision == "rollback"
    assert record.reasons[0] == "error_rate"


def test_a_challenger_that_fails_under_all_traffic_is_taken_back(world: Callable[..., World], tmp_path: Path) -> None:
    undisturbed = world()
    go_on(undisturbed, undisturbed.controller(deployer(tmp_path)))
    promoted_at = looks_taken(undisturbed.engine, undisturbed.spec.name)[-3].sessions
    here = world("failing", fails_from=promoted_at)
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert (record.decision, record.reasons) == ("rollback", ("error_rate",))
    assert here.registry.champion == "1"
    looks = looks_taken(here.engine, here.spec.name)
    assert [(look.step_percent, look.decision) for look in looks[-2:]] == [(50, "promote"), (100, "rollback")]


def test_without_a_watch_the_promotion_is_at_once(world: Callable[..., World], tmp_path: Path) -> None:
    spec = a_spec(rollout={"steps": [{"percent": 50, "sessions": 400}], "watch_sessions": 0})
    here = world(spec=spec)
    record = go_on(here, here.controller(deployer(tmp_path)))
    assert (record.decision, record.reasons) == ("promote", ("primary_better",))
    assert here.registry.champion == "2"


def test_a_look_waits_for_its_sessions(world: Callable[..., World], tmp_path: Path) -> None:
    here = world()
    controller = here.controller(deployer(tmp_path))
    assert controller.reconcile().record.state == "running"
    assert controller.reconcile().waiting_for is None
    assert controller.reconcile().waiting_for == range(50)
    here.drive(49)
    assert controller.reconcile().waiting_for == range(50)
    here.drive(50)
    assert controller.reconcile(complete=49).waiting_for == range(50), "its last session's click may be on its way"
    assert looks_taken(here.engine, here.spec.name) == ()
    assert controller.reconcile(complete=50).record.looks == 1
    assert controller.reconcile().waiting_for == range(50, 100)


def test_both_variants_may_be_the_same_version(world: Callable[..., World], tmp_path: Path) -> None:
    spec = a_spec(variants={"champion": CHAMPION, "challenger": CHAMPION})
    here, place = world(spec=spec), deployer(tmp_path)
    assert go_on(here, here.controller(place)).decision == "promote"
    assert here.registry == Registry(champion="1", previous=None, challenger="2")
    assert place.deployment == Deployment(CHAMPION)


def test_a_policy_server_that_keeps_its_old_route_is_an_error(world: Callable[..., World], tmp_path: Path) -> None:
    here = world()

    class Deaf:
        def refresh(self, experiment: str) -> int:
            return 0

    controller = RolloutController(
        here.engine, here.spec.name, deployer=deployer(tmp_path), policy=Deaf(), aliases=here.registry
    )
    controller.reconcile()
    with pytest.raises(ServerError, match="route revision 0, wanted 1"):
        controller.reconcile()


def test_a_rollout_must_be_begun_and_keeps_its_spec(world: Callable[..., World], tmp_path: Path) -> None:
    here = world()
    assert begin_rollout(here.engine, here.spec) == load_rollout(here.engine, here.spec.name)
    with pytest.raises(RolloutError, match="begun with another spec"):
        begin_rollout(here.engine, a_spec(salt="other"))
    stranger = RolloutController(
        here.engine, "unknown", deployer=deployer(tmp_path), policy=here, aliases=here.registry
    )
    with pytest.raises(RolloutError, match="does not exist"):
        stranger.reconcile()


class Killed(BaseException):
    """The process ends here."""


class Fuse:
    """Counts everything a controller does to the world, and kills it before or after the chosen one."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after

    def burn(self, act: Callable[..., Any], *given: Any, **named: Any) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Killed
        result = act(*given, **named)
        if self.left == 0:
            raise Killed
        return result


class Fused:
    """Something the controller acts on, with chosen methods behind the fuse."""

    def __init__(self, inner: Any, fuse: Fuse, methods: tuple[str, ...]) -> None:
        self._inner, self._fuse, self._methods = inner, fuse, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return partial(self._fuse.burn, found) if name in self._methods else found


def outcome_of(here: World) -> tuple[Any, ...]:
    record = load_rollout(here.engine, here.spec.name)
    route = current_route(here.engine)
    assert record is not None
    assert route is not None
    return (
        replace(record, created_at=0, updated_at=0),
        # How many entries share a commit is a matter of timing.
        [str(replace(look, log_commits=0)) for look in looks_taken(here.engine, here.spec.name)],
        replace(route, revision=0),
        here.registry,
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "rate", [pytest.param(0.8, id="promoted"), pytest.param(0.05, id="rolled back", marks=pytest.mark.long)]
)
def test_killed_anywhere_it_goes_on_and_ends_the_same(
    world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float, after: bool
) -> None:
    spec = a_spec(
        rollout={"steps": [{"percent": 10, "sessions": 50}, {"percent": 50, "sessions": 250}], "watch_sessions": 50}
    )
    rates = {"champion": 0.4, "challenger": rate}
    undisturbed = world("undisturbed", spec=spec, rates=rates)
    go_on(undisturbed, undisturbed.controller(deployer(tmp_path)))
    expected = outcome_of(undisturbed)
    save, put = controller_module.save_rollout, controller_module.put_route
    kills = 0
    while True:
        here = world(f"killed-{kills}", spec=spec, rates=rates)
        fuse = Fuse(kills + 1, after=after)
        monkeypatch.setattr(controller_module, "save_rollout", partial(fuse.burn, save))
        monkeypatch.setattr(controller_module, "put_route", partial(fuse.burn, put))
        controller = RolloutController(
            here.engine,
            spec.name,
            deployer=Fused(deployer(tmp_path), fuse, ("apply", "wait", "promote", "rollback")),
            policy=Fused(here, fuse, ("refresh",)),
            aliases=Fused(here.registry, fuse, ("promote", "withdraw")),
        )
        try:
            go_on(here, controller)
            break
        except Killed:
            kills += 1
        # What follows is another process: its servers are new, the database and the registry are not.
        record = go_on(here, here.controller(deployer(tmp_path)))
        assert record.state == "done"
        assert outcome_of(here) == expected, f"killed {'after' if after else 'before'} act {kills}"
    assert kills > 15, "the fuse must have reached every act"
