"""What is known of units before the experiment, strata and covariates, taken out of the variance of one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from core.errors import ConfigError
from experiments.inference.adjustment import Adjusted, AdjustmentNote, reduction
from experiments.inference.cuped import cuped_means, cuped_ratios
from experiments.inference.estimates import Estimate, mean_estimate, ratio_estimate
from experiments.inference.linearised import linearised
from experiments.inference.moments import Moments
from experiments.inference.post_stratification import StratificationNote, post_stratified
from experiments.inference.regression_adjustment import regression_adjusted

#: ``cuped``: one slope for both arms; ``lin``: a slope for each, by least squares within the arm.
Adjustment = Literal["cuped", "lin"]
ADJUSTMENTS: tuple[Adjustment, ...] = get_args(Adjustment)


class Reduced(NamedTuple):
    """Two arms' estimates, to be compared as any other two.

    Attributes:
        treatment: The treatment's.
        control: The control's.
        variance_reduction: Share of the plain difference's variance that is gone, 1 at most; below 0 where strata that
            do not matter made it larger; NaN where there was none.
        covariate: What became of the covariate; None where there is none.
        strata: What became of the strata; None where there are none.
    """

    treatment: Estimate
    control: Estimate
    variance_reduction: float
    covariate: AdjustmentNote | None
    strata: StratificationNote | None


def reduced(
    treatment: Sequence[Moments],
    control: Sequence[Moments],
    *,
    is_ratio: bool = False,
    has_covariate: bool = False,
    adjustment: Adjustment = "cuped",
    stratified: bool = False,
) -> Reduced:
    """Post-stratify, then take the covariate's share out of what is left within the strata.

    ``post_stratification.post_stratified``, then ``cuped`` or ``regression_adjustment`` of the whole. Lin's adjustment
    rests on the rows of an arm being alike, which stratified moments are not: with strata it is refused.

    >>> one, two = Moments.from_rows([[2.0, 1.0], [4.0, 2.0], [6.0, 4.0]]), Moments.from_rows([[1.0, 1.0], [3.0, 2.0]])
    >>> found = reduced([one], [two], has_covariate=True)
    >>> found.covariate, found.strata, found.treatment.value < 4.0
    ('adjusted', None, True)

    Args:
        treatment: Moments by stratum, one of them where there are none: of the metric (two numbers of a ratio), then of
            the covariate (two numbers where it is a ratio).
        control: The control's, of the same strata.
        is_ratio: Whether the metric is a ratio.
        has_covariate: Whether numbers of a covariate follow.
        adjustment: Of ``ADJUSTMENTS``.
        stratified: Whether the strata count.

    Raises:
        ConfigError: adjustment is not allowed, or not with strata.
        DataError: The arms do not have as many strata or numbers.
    """
    if adjustment not in ADJUSTMENTS:
        raise ConfigError(f"adjust == {adjustment!r}, must be one of {', '.join(ADJUSTMENTS)}")
    if stratified and has_covariate and adjustment == "lin":
        raise ConfigError("adjust == 'lin' goes without strata; take 'cuped' with --stratify, or leave --stratify out")
    plain = _plain(_merged(treatment), is_ratio), _plain(_merged(control), is_ratio)
    one, two, strata = _merged(treatment), _merged(control), None
    if stratified:
        weighted = post_stratified(treatment, control)
        strata = weighted.note
        if strata != "no_units":
            one, two = weighted.treatment, weighted.control
    if has_covariate:
        found = _adjusted(one, two, is_ratio, adjustment)
        gone = reduction(found.treatment, found.control, plain)
        return Reduced(found.treatment, found.control, gone, found.note, strata)
    pair = _plain(one, is_ratio), _plain(two, is_ratio)
    return Reduced(*pair, reduction(*pair, plain), None, strata)


def _adjusted(one: Moments, two: Moments, is_ratio: bool, adjustment: Adjustment) -> Adjusted:
    if adjustment == "cuped":
        return (cuped_ratios if is_ratio else cuped_means)(one, two)
    if not is_ratio:
        return regression_adjusted(one, two)
    columns: list[tuple[int, int | None]] = [(0, 1), (2, 3 if one.size == 4 else None)]
    found = regression_adjusted(linearised(one, columns), linearised(two, columns))
    # Linearised or not, an estimate without adjustment is the ratio's, with its status.
    return found if found.note == "adjusted" else found._replace(treatment=_plain(one, True), control=_plain(two, True))


def _plain(arm: Moments, is_ratio: bool) -> Estimate:
    return ratio_estimate(arm) if is_ratio else mean_estimate(arm)


def _merged(strata: Sequence[Moments]) -> Moments:
    whole = strata[0]
    for stratum in strata[1:]:
        whole = whole.merge(stratum)
    return whole
