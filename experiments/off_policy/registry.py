"""The off-policy estimators there are. To add one: its file, and a line here."""

from __future__ import annotations

from core.plugins import known, resolve
from experiments.off_policy.estimator import Estimator

ESTIMATORS = {
    "replay": "experiments.off_policy.replay:Replay",
    "ips": "experiments.off_policy.ips:IPS",
    "snips": "experiments.off_policy.snips:SNIPS",
    "dm": "experiments.off_policy.direct_method:DirectMethod",
    "dr": "experiments.off_policy.doubly_robust:DoublyRobust",
    "sndr": "experiments.off_policy.doubly_robust:SelfNormalisedDoublyRobust",
}


def estimator(name: str) -> type[Estimator]:
    """The estimator registered under a name, here or by an installed package (entry point ``screentest.estimators``).

    >>> estimator("snips").name
    'snips'

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: It is registered, but its module or class is missing or is no estimator.
    """
    # A plugin's base class is abstract here, which the type checker takes for a mistake.
    return resolve("estimator", name, ESTIMATORS, base=Estimator, where="experiments/off_policy/registry.py")  # type: ignore[type-abstract]


def estimator_names() -> list[str]:
    """Every name that :func:`estimator` knows, those of installed packages included, ascending."""
    return sorted(known("estimator", ESTIMATORS))
