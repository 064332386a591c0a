"""The bandit policies there are. To add one: its file, and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.plugins import known, resolve
from experiments.bandits.base import Policy

BANDITS = {
    "thompson_beta": "experiments.bandits.thompson_beta:ThompsonBeta",
    "thompson_gaussian": "experiments.bandits.thompson_gaussian:ThompsonGaussian",
    "ucb1": "experiments.bandits.ucb1:UCB1",
    "kl_ucb": "experiments.bandits.kl_ucb:KLUCB",
    "epsilon_greedy": "experiments.bandits.epsilon_greedy:EpsilonGreedy",
    "softmax": "experiments.bandits.softmax:Softmax",
    "linucb": "experiments.bandits.linucb:LinUCB",
    "lints": "experiments.bandits.lints:LinTS",
}


def bandit(name: str) -> type[Policy]:
    """The policy registered under a name, here or by an installed package (entry point ``screentest.bandits``).

    >>> bandit("ucb1").__name__
    'UCB1'

    Raises:
        UnknownName: Nobody registered the name.
        ConfigError: It is registered, but its module or class is missing or is no policy.
    """
    # Policy is abstract; the registered classes are not.
    return resolve("bandit", name, BANDITS, base=Policy, where="experiments/bandits/registry.py")  # type: ignore[type-abstract]


def bandit_names() -> list[str]:
    """Every name that :func:`bandit` knows, those of installed packages included, ascending."""
    return sorted(known("bandit", BANDITS))


def restored(state: Mapping[str, Any]) -> Policy:
    """The policy that ``Policy.state`` described, whichever it is.

    Raises:
        UnknownName: Nobody registered the policy.
        DataError: The state is another version's or incomplete.
    """
    return bandit(str(state.get("policy"))).from_state(state)
