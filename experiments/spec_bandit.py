"""The bandit that an experiment spec asks for, new: it has learned nothing yet."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, TypeAlias

from core.errors import ConfigError
from experiments.bandits.base import Policy
from experiments.bandits.per_segment import PerSegment
from experiments.bandits.registry import bandit
from experiments.context import context_size
from experiments.spec_traffic import BanditTraffic

Bandit: TypeAlias = Policy | PerSegment
_SAID_ELSEWHERE = ("arms", "floor", "n_features", "prior", "warm_start")


def spec_bandit(traffic: BanditTraffic, variants: Sequence[str]) -> Bandit:
    """A policy over the variants, one for each segment if the spec names one.

    >>> spec_bandit(BanditTraffic(algorithm="epsilon_greedy", options={"epsilon": 0.2}), ["a", "b"]).epsilon
    0.2

    Args:
        traffic: What the spec says.
        variants: Its arms, in this order.

    Raises:
        UnknownName: Nobody registered the algorithm.
        ConfigError: An option is unknown or out of range, or the algorithm has a context where it takes none.
    """
    policy = bandit(traffic.algorithm)
    if policy.contextual and not traffic.context:
        raise ConfigError(f"{traffic.algorithm} chooses by context; name its features under traffic.context")
    if traffic.context and not policy.contextual:
        raise ConfigError(f"{traffic.algorithm} takes no context; leave traffic.context out, or choose linucb or lints")
    allowed = _options(policy)
    for name in traffic.options:
        if name not in allowed:
            raise ConfigError(f"traffic.options names {name!r}; {traffic.algorithm} has {', '.join(sorted(allowed))}")
    options: dict[str, Any] = dict(traffic.options)
    if policy.contextual:
        options["n_features"] = context_size(traffic.context)
    new = policy(list(variants), floor=traffic.min_exposure, **options)
    return PerSegment(new) if traffic.segment else new


def _options(policy: type[Policy]) -> set[str]:
    """Of its own, and those that every policy has."""
    every = {*inspect.signature(policy.__init__).parameters, *inspect.signature(Policy.__init__).parameters}
    return every - {"self", "common", *_SAID_ELSEWHERE}
