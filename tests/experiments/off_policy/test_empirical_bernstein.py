"""An interval for IPS that does not lean on normality."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from experiments.off_policy.empirical_bernstein import bernstein_ips
from experiments.off_policy.ips import IPS
from experiments.off_policy.logged_bandit import LoggedBandit
from tests.experiments.off_policy.worlds import curved_world, draw

WORLD = curved_world()
BOUND = float((WORLD.target / WORLD.logging).max())


def test_the_bound_by_hand() -> None:
    log, target = draw(WORLD, 400, np.random.default_rng(1))
    found, plain = bernstein_ips(log, target, reward_range=(0, 1), max_weight=BOUND), IPS().evaluate(log, target)
    logarithm = math.log(80)
    width = math.sqrt(2 * plain.se**2 * logarithm) + 7 * BOUND * logarithm / (3 * 399)
    assert (found.ci_lower, found.ci_upper) == pytest.approx((plain.value - width, plain.value + width))
    assert found.value == plain.value


def test_it_covers_where_the_sample_is_tiny() -> None:
    """Ten rows: at most 5 % of the logs miss, with four standard errors for luck; far fewer do."""
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(300):
        log, target = draw(WORLD, 10, rng)
        found = bernstein_ips(log, target, reward_range=(0, 1), max_weight=BOUND)
        missed += not found.ci_lower <= WORLD.value <= found.ci_upper
    assert missed / 300 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 300)


def test_negative_rewards_widen_the_range() -> None:
    log, target = draw(WORLD, 400, np.random.default_rng(3))
    one, other = (bernstein_ips(log, target, reward_range=span, max_weight=BOUND) for span in ((0, 1), (-1, 1)))
    assert other.ci_upper - one.ci_upper == pytest.approx(7 * BOUND * math.log(80) / (3 * 399))


def test_rewards_that_do_not_vary_still_have_an_interval() -> None:
    log = LoggedBandit(np.arange(100) % 2, np.zeros(100), np.full(100, 0.5))
    found = bernstein_ips(log, np.full((1, 2), 0.5), reward_range=(0, 1), max_weight=2)
    assert found.ci_upper == pytest.approx(7 * 2 * math.log(80) / (3 * 99))


def test_bounds_that_the_log_breaks_are_refused() -> None:
    log, target = draw(WORLD, 200, np.random.default_rng(4))
    with pytest.raises(DataError, match="beyond reward_range"):
        bernstein_ips(log, target, reward_range=(0, 0.5), max_weight=BOUND)
    with pytest.raises(DataError, match=r"beyond max_weight 1\.5"):
        bernstein_ips(log, target, reward_range=(0, 1), max_weight=1.5)
    dependent = LoggedBandit(log.action, log.reward, log.propensity, unit=np.arange(200) // 2)
    with pytest.raises(DataError, match="200 rows of 100 units depend on each other"):
        bernstein_ips(dependent, target, reward_range=(0, 1), max_weight=BOUND)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"reward_range": (1, 0)}, "reward_range"), ({"max_weight": 0.5}, "max_weight == 0.5"), ({"alpha": 1}, "alpha")],
)
def test_what_is_not_allowed_is_refused(changed: dict[str, object], named: str) -> None:
    log, target = draw(WORLD, 50, np.random.default_rng(5))
    with pytest.raises(ConfigError, match=named):
        bernstein_ips(log, target, **{"reward_range": (0, 1), "max_weight": BOUND, **changed})  # type: ignore[arg-type]


def test_what_cannot_be_judged_keeps_its_status() -> None:
    empty = LoggedBandit(np.empty(0, int), np.empty(0), np.empty(0))
    assert bernstein_ips(empty, np.full((1, 2), 0.5), reward_range=(0, 1), max_weight=2).status == "no_units"
