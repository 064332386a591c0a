"""What `screentest up` starts, small: two real model servers and a policy server that knows finished rollouts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from events.database import open_database
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec
from loaders.synthetic import SyntheticDataLoader
from serving.live_stack import start_models_and_policy
from tests.rollout_examples import SPEC
from tests.small_registry import MODEL_NAME, register_small_models
from tests.written_rollouts import write_rollout
from tracking.client import connect
from tracking.registry import promote

START_S = 90
VARIANTS = {"champion": "models:/recommender/1", "challenger": "models:/recommender/2"}


class SmallStack(NamedTuple):
    """Where it answers, and its event log."""

    policy_url: str
    events_url: str


def small_spec(name: str) -> ExperimentSpec:
    """Popularity (version 1) against EASE (version 2)."""
    return SPEC.model_copy(update={"name": name, "variants": VARIANTS})


def write_small_rollout(events_url: str, name: str, result: RolloutResult, user_ids: Sequence[str]) -> None:
    """Write an example rollout of those two versions."""
    engine = open_database(events_url)
    write_rollout(
        engine,
        replace(result, experiment=name, control_version="1", challenger_version="2"),
        small_spec(name),
        user_ids=user_ids,
    )
    engine.dispose()


@contextmanager
def small_stack(folder: Path, rollouts: dict[str, RolloutResult]) -> Iterator[SmallStack]:
    """Serve made-up films, after these rollouts; their users are 1 … 40. A promotion has moved the alias.

    Args:
        folder: Of registry, event log and logs.
        rollouts: By name, in the order they were begun.
    """
    data = SyntheticDataLoader(seed=3, n_users=60, n_items=160).train()
    tracking_uri = register_small_models(folder, {"popularity": {}, "ease": {"reg": 20.0}}, data)
    if any(result.decision == "promote" for result in rollouts.values()):
        promote(connect(tracking_uri), MODEL_NAME, "2")
    events_url = f"sqlite:///{folder / 'events.db'}"
    for name, result in rollouts.items():
        write_small_rollout(events_url, name, result, [str(user) for user in range(1, 41)])
    with start_models_and_policy(
        folder / "up",
        tracking_uri=tracking_uri,
        model_name=MODEL_NAME,
        events_url=events_url,
        experiment="live",
        policy_port=0,
        host="127.0.0.1",
        timeout_s=START_S,
    ) as served:
        yield SmallStack(served.policy_url, events_url)
