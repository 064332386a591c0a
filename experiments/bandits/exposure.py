"""How often each arm is shown at least, and the draw."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

Floats = npt.NDArray[np.float64]


def with_floor(preferred: Floats, floor: float) -> Floats:
    """Propensities of k arms with a minimum exposure: p_a = floor + (1 - k floor) q_a.

    A mixture with the uniform distribution of total weight k floor, as ε-greedy mixes with ε (Auer, Cesa-Bianchi,
    Freund & Schapire 2002, The Nonstochastic Multiarmed Bandit Problem, algorithm Exp3, with γ = k floor).

    >>> with_floor(np.array([1.0, 0.0]), 0.1).round(3).tolist()
    [0.9, 0.1]

    Args:
        preferred: (..., k) q, rows add up to 1.
        floor: Least probability of an arm, 0 … 1 / k.

    Returns:
        (..., k), rows add up to 1, none below floor.
    """
    return np.asarray(floor + (1.0 - preferred.shape[-1] * floor) * preferred, np.float64)


def check_floor(floor: float, n_arms: int) -> None:
    """Refuse a floor for which there is no room.

    Raises:
        ConfigError: It is not in 0 … 1 / n_arms.
    """
    if not 0 <= floor * n_arms <= 1:
        raise ConfigError(f"floor == {floor}, must lie in 0 … 1 / arms, here {1 / n_arms:.4g} for {n_arms} arms")


def cumulative(shares: Floats) -> Floats:
    """(..., k) running sums, of which the first above a uniform in [0, 1) names the arm drawn.

    The last is exactly 1, so that there always is one, and an arm of probability 0 is never it.
    """
    sums = shares.cumsum(axis=-1)
    return np.asarray(sums / sums[..., -1:], np.float64)
