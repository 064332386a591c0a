"""The router: one MLflow model that sends each user to PolicyA or PolicyB and answers with that policy's list.

Both policies are in its artifact, as they were when it was made, so that what a user gets depends on nothing else:

    model.json   salt, share and the two policies' pinned versions
    PolicyA/     the artifact of one …
    PolicyB/     … and of the other
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from pydantic import Field

from core.errors import DataError
from experiments.assignment import buckets
from wrappers.artifact import Artifact, read_artifact, wrapper_of
from wrappers.base import ModelWrapper, Options
from wrappers.requests import Id, parse_requests

#: The registered model, and its alias.
ROUTER = "router"
POLICY_A, POLICY_B = ARMS = ("PolicyA", "PolicyB")


class RouterConfig(Options):
    """Who goes where."""

    salt: str = "router"
    """Of the hash: another salt divides users anew, independently."""
    share: float = Field(0.5, ge=0, le=1)
    """Of users that PolicyA gets."""
    policies: dict[str, str] = {}
    """Arm to the pinned version that answers for it: ``models:/recommender/3``."""


class Assignment(NamedTuple):
    """Where one user goes.

    Attributes:
        arm: PolicyA or PolicyB.
        bucket: The user's place on [0, 1); PolicyA has those below its share.
    """

    arm: str
    bucket: float


class Router:
    """Assigns users by salted hash, and answers with their policy's list.

    Args:
        config: Who goes where.
        policies: Arm to its trained model.
    """

    def __init__(self, config: RouterConfig, policies: Mapping[str, ModelWrapper]) -> None:
        self.config = config
        self.policies = dict(policies)

    def assign(self, user_ids: Sequence[Id]) -> list[Assignment]:
        """Where users go: the same for the same id, also as text, whatever they ask and whoever asks with them.

        Args:
            user_ids: Known to the policies or not; may be empty.
        """
        places = buckets(self.config.salt, list(map(str, user_ids))).tolist()
        return [Assignment(POLICY_A if place < self.config.share else POLICY_B, place) for place in places]

    def predict(self, input_data: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer requests, in their order, each by its user's policy.

        Args:
            input_data: See :func:`wrappers.requests.parse_requests`; a policy that ranks on features uses those that it
                stored at training time.

        Returns:
            ``{"user_id", "arm", "items": [ids], "titles": [...], "scores": [...], "cold"}`` each, best item first; with
            ``reasons`` where a request asked to explain.

        Raises:
            BadInput: A request is not what it should be.
        """
        asked = parse_requests(input_data)
        rows = [
            {"user_id": user_id, "k": k, "exclude_items": exclude, "explain": language}
            for user_id, k, exclude, language in zip(
                asked.user_ids, asked.ks, asked.exclude, asked.languages, strict=True
            )
        ]
        arms = np.array([one.arm for one in self.assign(asked.user_ids)], dtype=object)
        answers: dict[int, dict[str, Any]] = {}
        for arm, policy in self.policies.items():
            places = np.flatnonzero(arms == arm).tolist()
            found = policy.predict([rows[place] for place in places])
            for place, answer in zip(places, found, strict=True):
                answers[place] = _flat(arm, answer, explained=asked.languages[place] is not None)
        return [answers[place] for place in range(len(rows))]

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The router that a folder holds.

        Raises:
            DataError: It holds none, or it is damaged.
        """
        artifact = read_artifact(Path(folder))
        if artifact.header["model"] != ROUTER or set(artifact.parts) != set(ARMS):
            raise DataError(
                f"holds the model {artifact.header['model']!r} of parts {sorted(artifact.parts)}, must be a router of "
                f"{POLICY_A} and {POLICY_B}",
                file=str(folder),
            )
        config = RouterConfig.parse(artifact.header["config"], of=ROUTER)
        return cls(config, {arm: wrapper_of(artifact.parts[arm]) for arm in ARMS})


def router_artifact(config: RouterConfig, policies: Mapping[str, Artifact]) -> Artifact:
    """What is stored of a router.

    Args:
        config: Who goes where.
        policies: Arm to its model's artifact.
    """
    return Artifact({"model": ROUTER, "config": config.model_dump(mode="json")}, {}, {}, parts=dict(policies))


def _flat(arm: str, answer: Mapping[str, Any], *, explained: bool) -> dict[str, Any]:
    items = answer["items"]
    flat = {
        "user_id": answer["user_id"],
        "arm": arm,
        "items": [item["item_id"] for item in items],
        "titles": [item["title"] for item in items],
        "scores": [item["score"] for item in items],
        "cold": answer["cold"],
    }
    return {**flat, "reasons": [item["reason"] for item in items]} if explained else flat
