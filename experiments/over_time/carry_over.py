"""Carry-over: whether the arms were alike before the start, and whether an earlier experiment still shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import special

from core.errors import DataError
from experiments.inference.comparison import Comparison, check_alpha
from experiments.inference.estimates import Estimate
from experiments.inference.frequentist import welch
from experiments.inference.segments import Heterogeneity, HeterogeneityStatus, cochran_q


class PrePeriod(NamedTuple):
    """The arms before the experiment began.

    Attributes:
        comparison: Treatment against control on the metric of a time when nobody had the treatment.
        alarm: The p-value is below alpha: the arms differed already. False where nothing could be tested (see
            ``comparison.status``).
    """

    comparison: Comparison
    alarm: bool


class CarryOver(NamedTuple):
    """What an earlier experiment's arms do in this one.

    Attributes:
        statistic: Σ of Cochran's Q of the outcome over earlier arms, within each arm of this experiment.
        df: Its degrees of freedom.
        pvalue: Of an outcome that does not depend on the earlier arm.
        interaction: Whether this experiment's effect differs between units of different earlier arms.
        balance_pvalue: Of assignment in this experiment that does not depend on the earlier arm (chi-squared); NaN
            where an earlier arm or an arm of this experiment is empty.
        alarm: ``pvalue``, ``interaction.pvalue`` or ``balance_pvalue`` is below alpha / 3 (Bonferroni).
        status: ``ok`` or ``too_few_groups``: fewer than two earlier arms can be compared in either arm.
    """

    statistic: float
    df: int
    pvalue: float
    interaction: Heterogeneity
    balance_pvalue: float
    alarm: bool
    status: HeterogeneityStatus


def pre_period(treatment: Estimate, control: Estimate, *, alpha: float = 0.01) -> PrePeriod:
    """A/A check: Welch's test of the metric before the experiment, of the units that it assigned later.

    An alarm says that the arms were unlike from the start: an earlier experiment on the same salt, or chance. Assign
    anew with another salt; do not explain it away. CUPED corrects for what chance did.

    >>> pre_period(Estimate(0.30, 1e-4, 900), Estimate(0.25, 1e-4, 900)).alarm
    True

    Args:
        treatment: The treatment's value of the metric in the earlier time.
        control: The control's.
        alpha: Share of sound experiments that alarm all the same.

    Raises:
        ConfigError: alpha is not in (0, 1).
    """
    found = welch(treatment, control, alpha=alpha)
    return PrePeriod(found, found.pvalue < alpha)


def carry_over(treatment: Mapping[str, Estimate], control: Mapping[str, Estimate], *, alpha: float = 0.01) -> CarryOver:
    """Whether the arm that a unit had in an earlier experiment predicts its outcome in this one.

    Within each arm of this experiment, Q over the earlier arms (Cochran 1954, ``segments.cochran_q``); the two arms are
    independent, so that their sum is chi-squared on the sum of their degrees of freedom. A main effect alone leaves the
    comparison of this experiment fair, as long as its assignment is independent of the earlier one
    (``balance_pvalue``); an interaction says that the effect found holds for this mixture of earlier arms only.

    >>> arms = {"a": Estimate(0.20, 1e-4, 900), "b": Estimate(0.30, 1e-4, 900)}
    >>> found = carry_over(arms, arms)
    >>> round(found.statistic, 1), found.df, found.alarm, round(found.interaction.pvalue, 3)
    (100.0, 2, True, 1.0)

    Args:
        treatment: The treatment's value of the metric by earlier arm; those who were in none are an arm too.
        control: The control's, by the same arms.
        alpha: Share of sound experiments that alarm all the same.

    Returns:
        The check; NaN where ``status`` says why.

    Raises:
        ConfigError: alpha is not in (0, 1).
        DataError: The two do not name the same earlier arms.
    """
    check_alpha(alpha)
    if set(treatment) != set(control):
        raise DataError(
            f"earlier arms are {sorted(treatment)} in the treatment, {sorted(control)} in the control; must be the "
            "same, with an empty estimate where an arm has no units"
        )
    names = list(control)
    within = [_heterogeneity([arm[name] for name in names]) for arm in (treatment, control)]
    tested = [found for found in within if found.status == "ok"]
    statistic, df = sum(found.statistic for found in tested), sum(found.df for found in tested)
    effects = [welch(treatment[name], control[name]) for name in names]
    interaction = cochran_q([one.effect_size for one in effects], [one.se for one in effects])
    balance = _balance_pvalue([[arm[name].n for name in names] for arm in (treatment, control)])
    pvalue = float(special.chdtrc(df, statistic)) if df else math.nan
    return CarryOver(
        statistic=statistic if df else math.nan,
        df=df,
        pvalue=pvalue,
        interaction=interaction,
        balance_pvalue=balance,
        alarm=any(one < alpha / 3 for one in (pvalue, interaction.pvalue, balance)),
        status="ok" if df else "too_few_groups",
    )


def _heterogeneity(arms: list[Estimate]) -> Heterogeneity:
    known = [arm for arm in arms if arm.status == "ok" and arm.variance > 0]
    return cochran_q([arm.value for arm in known], [math.sqrt(arm.variance) for arm in known])


def _balance_pvalue(counts: list[list[int]]) -> float:
    """Pearson's chi-squared of independence of a table of two rows."""
    table = np.array(counts, np.float64).reshape(2, -1)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1.0)
    if table.shape[1] < 2 or not (expected > 0).all():
        return math.nan
    return float(special.chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))
