"""How an experiment will be tested."""

from __future__ import annotations

import math

import pytest

from core.errors import ConfigError
from experiments.planning.baselines import mean_baseline, proportion_baseline
from experiments.planning.power_plan import PowerPlan


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"alpha": 1.2}, "alpha == 1.2"),
        ({"power": 0.04}, "power == 0.04"),
        ({"power": 1.0}, "power == 1"),
        ({"alternative": "larger"}, "'larger'"),
        ({"test": "t"}, "'t'"),
        ({"margin": -0.1, "alternative": "greater"}, "margin == -0.1"),
        ({"margin": 0.1}, "margin needs"),
        ({"variance_reduction": 1.0}, "variance_reduction == 1"),
        ({"variance_reduction": math.nan}, "variance_reduction == nan"),
        ({"comparisons": 0}, "comparisons == 0"),
        ({"allocation": 0.0}, "allocation == 0"),
        ({"allocation": math.inf}, "allocation == inf"),
    ],
)
def test_what_is_not_allowed_is_refused(options: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        PowerPlan(**options)  # type: ignore[arg-type]


def test_what_follows_from_it() -> None:
    plan = PowerPlan(alternative="greater", margin=0.1, relative=True, comparisons=2)
    assert plan.level == 0.025
    assert plan.refuted(mean_baseline(10.0, 1.0)) == -1.0
    assert PowerPlan(alternative="less", margin=0.1).refuted(mean_baseline(10.0, 1.0)) == 0.1
    assert plan.effect(0.2, mean_baseline(10.0, 1.0)) == 2.0
    assert plan.relative_to(mean_baseline(10.0, 1.0), 2.0) == 0.2
    assert math.isnan(plan.relative_to(mean_baseline(-10.0, 1.0), 2.0))
    assert (plan.test_of(proportion_baseline(0.1)), plan.test_of(mean_baseline(1.0, 1.0))) == ("z", "welch")
