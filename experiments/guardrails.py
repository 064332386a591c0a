"""What ends a rollout whatever the primary metric says."""

from __future__ import annotations

from typing import Literal

from scipy import special

from experiments.spec_metrics import Guardrails

Guardrail = Literal["error_rate", "empty_rate", "latency"]

OVERWHELMING = 1e-6
"""Level at which failures count before enough sessions were seen: see ``broken_guardrails``."""


def broken_guardrails(
    limits: Guardrails, min_sessions: int, sessions: int, errors: int, empty: int, latency_p95_ms: float
) -> tuple[Guardrail, ...]:
    """The guardrails a challenger has broken, most important first.

    From ``min_sessions`` on, a rate or the latency above its limit breaks it. Before that, errors and empty lists
    break it only where they overwhelm: were the true rate at its limit, so many would be seen with probability below
    ``OVERWHELMING``. That is the exact binomial tail P(X >= count), X ~ Binomial(sessions, limit), or in other words
    the Clopper-Pearson lower bound at that level is above the limit. At a limit of 2 % four failures in the first four
    sessions do, three in three do not.

    >>> broken_guardrails(Guardrails(), 100, sessions=4, errors=4, empty=0, latency_p95_ms=20.0)
    ('error_rate',)
    >>> broken_guardrails(Guardrails(), 100, sessions=3, errors=3, empty=0, latency_p95_ms=20.0)
    ()

    Args:
        limits: The limits of the spec.
        min_sessions: Sessions from which observed figures are compared with the limits as they are.
        sessions: The challenger's sessions, failed ones included, >= 0.
        errors: Of these, sessions its server failed in or answered too late.
        empty: Of these, sessions answered with an empty list.
        latency_p95_ms: 95th percentile of its answers; NaN (nothing known) breaks nothing.
    """
    broken: list[Guardrail] = []
    if _over(errors, sessions, limits.max_error_rate, min_sessions):
        broken.append("error_rate")
    if _over(empty, sessions, limits.max_empty_rate, min_sessions):
        broken.append("empty_rate")
    if sessions >= min_sessions and latency_p95_ms > limits.latency_budget_ms:
        broken.append("latency")
    return tuple(broken)


def _over(count: int, sessions: int, limit: float, min_sessions: int) -> bool:
    if count == 0:
        return False
    if sessions >= min_sessions:
        return count > limit * sessions
    # The binomial tail as the regularised incomplete beta function.
    return float(special.betainc(count, sessions - count + 1, limit)) < OVERWHELMING
