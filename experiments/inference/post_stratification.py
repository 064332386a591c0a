"""Post-stratification: arms compared within groups of like units, so that uneven groups do not blur the effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from core.errors import DataError
from experiments.inference.moments import Moments

#: ``stratified``: every stratum stands for itself; ``collapsed``: some were too small and were taken together;
#: ``one_stratum``: only one was left, so that nothing was stratified; ``no_units``: an arm is empty.
StratificationNote = Literal["stratified", "collapsed", "one_stratum", "no_units"]
STRATIFICATION_NOTES: tuple[StratificationNote, ...] = get_args(StratificationNote)

#: Units of an arm without which a stratum has no variance.
_LEAST = 2


class PostStratified(NamedTuple):
    """Both arms, weighted to the same mix of strata.

    Attributes:
        treatment: Moments to be used as those of any arm (``mean_estimate``, ``ratio_estimate``, ``cuped_means``,
            ``cuped_ratios``): their mean is the weighted one, their covariance over n its sampling variance.
        control: The control's.
        weights: (n_strata,) share of the units of both arms in each stratum that was used, sum 1.
        strata: Per stratum used, which of those given it is made of.
        note: Of ``StratificationNote``.
    """

    treatment: Moments
    control: Moments
    weights: tuple[float, ...]
    strata: tuple[tuple[int, ...], ...]
    note: StratificationNote


def post_stratified(treatment: Sequence[Moments], control: Sequence[Moments]) -> PostStratified:
    """Weight the strata of both arms by how common they are in both together.

    With W_k = (n_tk + n_ck) / N: ȳ_a = Σ W_k ȳ_ak, variance Σ W_k² S_ak / n_ak, S the covariance within the stratum,
    given the units that fell into each (Miratrix, Sekhon & Yu 2013, JRSS B 75:369, the conditional variance). Nothing
    is gained by strata that do not differ in the outcome. A stratum must be known before the treatment.

    A stratum in which an arm has fewer than two units has no variance and may have no mean. All of these are taken
    together as one; if that is still too small, the smallest of the others joins it, and so on. Nobody is left out, so
    that the effect stays the one on all units.

    >>> one = [Moments.from_rows([1.0, 2.0, 3.0]), Moments.from_rows([11.0, 13.0])]
    >>> two = [Moments.from_rows([1.0, 3.0]), Moments.from_rows([10.0, 11.0, 12.0])]
    >>> found = post_stratified(one, two)
    >>> found.weights, found.treatment.mean.tolist(), found.control.mean.tolist()
    ((0.5, 0.5), [7.0], [6.5])

    Args:
        treatment: Moments of each stratum's units; empty ones for strata without units.
        control: The control's, of the same strata in the same order.

    Returns:
        The arms; with ``no_units`` empty ones.

    Raises:
        DataError: There is no stratum, the arms have not as many, or their units not as many numbers.
    """
    _check(treatment, control)
    groups = _groups(treatment, control)
    ones, twos = _merged(treatment, groups), _merged(control, groups)
    n, control_n = sum(arm.n for arm in ones), sum(arm.n for arm in twos)
    if min(n, control_n) == 0:
        return PostStratified(_whole(treatment), _whole(control), (), (), "no_units")
    weights = tuple((one.n + two.n) / (n + control_n) for one, two in zip(ones, twos, strict=True))
    if len(groups) == 1:
        return PostStratified(ones[0], twos[0], weights, groups, "one_stratum")
    note: StratificationNote = "collapsed" if any(len(group) > 1 for group in groups) else "stratified"
    return PostStratified(_weighted(ones, weights), _weighted(twos, weights), weights, groups, note)


def _weighted(strata: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Moments of n units whose mean has the stratified mean's value and variance."""
    n = sum(stratum.n for stratum in strata)
    mean = np.zeros(strata[0].size)
    variance = np.zeros((len(mean), len(mean)))
    for stratum, weight in zip(strata, weights, strict=True):
        mean += weight * stratum.mean
        variance += weight**2 * stratum.covariance / stratum.n
    return Moments(n, mean, variance * n * (n - 1))


def _groups(treatment: Sequence[Moments], control: Sequence[Moments]) -> tuple[tuple[int, ...], ...]:
    """Which strata stand for themselves and, last, which are taken together; those without units are in none."""
    units = [one.n + two.n for one, two in zip(treatment, control, strict=True)]
    fewest = [min(one.n, two.n) for one, two in zip(treatment, control, strict=True)]
    # Smallest last; of equals the first given is taken first.
    large = sorted((k for k in range(len(units)) if fewest[k] >= _LEAST), key=lambda k: (-units[k], -k))
    small = [k for k in range(len(units)) if units[k] and fewest[k] < _LEAST]
    while small and large and min(sum(arm[k].n for k in small) for arm in (treatment, control)) < _LEAST:
        small.append(large.pop())
    return (*((k,) for k in sorted(large)), *([tuple(sorted(small))] if small else []))


def _merged(strata: Sequence[Moments], groups: Sequence[Sequence[int]]) -> list[Moments]:
    return [_whole([strata[place] for place in group]) for group in groups]


def _whole(strata: Sequence[Moments]) -> Moments:
    whole = strata[0]
    for stratum in strata[1:]:
        whole = whole.merge(stratum)
    return whole


def _check(treatment: Sequence[Moments], control: Sequence[Moments]) -> None:
    if len(treatment) != len(control) or not treatment:
        raise DataError(f"treatment has {len(treatment)} strata, control {len(control)}; need as many, one or more")
    sizes = {arm.size for arm in (*treatment, *control)}
    if len(sizes) > 1:
        raise DataError(f"units bring {' or '.join(map(str, sorted(sizes)))} numbers; need as many in every stratum")
