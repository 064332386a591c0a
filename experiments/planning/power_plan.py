"""How an experiment will be tested: all that planning its size needs beside the metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from core.errors import ConfigError
from experiments.inference.comparison import Alternative, check_alpha, check_alternative
from experiments.inference.estimates import Status
from experiments.planning.baselines import Baseline

#: ``welch``: noncentral t with Welch's degrees of freedom, as ``frequentist.welch`` tests; ``pooled_t``: with
#: n_c + n_t - 2, as Student's; ``z``: normal, of Cohen's h for shares.
PlannedTest = Literal["welch", "pooled_t", "z"]


@dataclass(frozen=True)
class PowerPlan:
    """How an experiment will be tested.

    Attributes:
        alpha: False positives, over all comparisons together.
        power: Probability of showing the effect planned for.
        alternative: What is to be shown of treatment - control.
        test: None: ``z`` for shares, ``welch`` for anything else.
        relative: Effects are given and told as shares of the control's value; the test is of the absolute difference.
        margin: Non-inferiority: what is to be shown is that treatment - control is above -margin ("greater": higher is
            better) or below +margin ("less"), in the metric's unit, relative to it where ``relative``; 0: superiority.
        variance_reduction: Share of the variance that covariates take away: ρ² for CUPED, 0 … 1, 1 excluded.
        comparisons: Tests that share alpha, which is divided among them (Bonferroni).
        allocation: Treatment units per control unit.

    Raises:
        ConfigError: One of them is not allowed.
    """

    alpha: float = 0.05
    power: float = 0.8
    alternative: Alternative = "two-sided"
    test: PlannedTest | None = None
    relative: bool = False
    margin: float = 0.0
    variance_reduction: float = 0.0
    comparisons: int = 1
    allocation: float = 1.0

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_alternative(self.alternative)
        if self.comparisons < 1:
            raise ConfigError(f"comparisons == {self.comparisons}, must be >= 1")
        if not self.level < self.power < 1:
            raise ConfigError(f"power == {self.power}, must be above alpha of one test, {self.level:g}, and below 1")
        if self.test not in (None, "welch", "pooled_t", "z"):
            raise ConfigError(f"test == {self.test!r}, must be welch, pooled_t, z or None")
        if not 0 <= self.margin < math.inf:
            raise ConfigError(f"margin == {self.margin}, must be a size of effect >= 0")
        if self.margin and self.alternative == "two-sided":
            raise ConfigError("margin needs alternative 'greater' (higher is better) or 'less', not 'two-sided'")
        if not 0 <= self.variance_reduction < 1:
            raise ConfigError(f"variance_reduction == {self.variance_reduction}, must be in 0 … 1, 1 excluded")
        if not 0 < self.allocation < math.inf:
            raise ConfigError(f"allocation == {self.allocation}, must be above 0")

    @property
    def level(self) -> float:
        """Alpha of one of the comparisons."""
        return self.alpha / self.comparisons

    def test_of(self, baseline: Baseline) -> PlannedTest:
        """The test in force for a metric."""
        return self.test or ("z" if baseline.share else "welch")

    def status(self, baseline: Baseline) -> Status:
        """``ok``, or why nothing can be planned from that baseline."""
        if baseline.status != "ok":
            return baseline.status
        if self.relative and not baseline.value > 0:
            return "zero_baseline" if baseline.value == 0 else "negative_baseline"
        return "ok"

    def effect(self, mde: float, baseline: Baseline) -> float:
        """An effect as given, in the metric's unit.

        Raises:
            ConfigError: It is not finite or takes a share out of 0 … 1.
        """
        effect = mde * baseline.value if self.relative else mde
        if not math.isfinite(effect):
            raise ConfigError(f"mde == {mde}, must be a finite effect")
        if baseline.share and not 0 <= baseline.value + effect <= 1:
            raise ConfigError(f"mde == {mde} takes the share {baseline.value} out of 0 … 1")
        return effect

    def refuted(self, baseline: Baseline) -> float:
        """The effect that is to be refuted, in the metric's unit: 0, or the margin's end."""
        margin = self.margin * baseline.value if self.relative else self.margin
        return -margin if self.alternative == "greater" else margin

    def relative_to(self, baseline: Baseline, effect: float) -> float:
        """An effect over the control's value; NaN unless that is above 0."""
        return effect / baseline.value if baseline.value > 0 else math.nan
