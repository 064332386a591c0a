"""Recommenders that a composite is made of: told in its configuration, trained side by side, scored on one scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import ConfigError
from core.ids import UNKNOWN
from core.interactions import Interactions
from wrappers.base import Options
from wrappers.recommender import RecommenderWrapper
from wrappers.registry import model
from wrappers.standard_scores import standard_scores
from wrappers.top_k import stored
from wrappers.training_data import TrainingData

#: A component's name is a folder of the artifact.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

#: By how much contributions may miss the score that they sum to, relative to it and in its deviations.
_ROUNDING = 0.05


class ComponentConfig(Options):
    """One of the recommenders that a composite is made of."""

    model: str = ""
    """Registered name; empty: the component's own name."""
    config: dict[str, Any] = Field(default_factory=dict)
    """That model's hyperparameters."""


def untrained(components: Mapping[str, ComponentConfig], of: str) -> dict[str, RecommenderWrapper]:
    """The recommenders that a configuration names, in its order, ready to be trained.

    Args:
        components: Name to what it is.
        of: The composite, for messages.

    Raises:
        ConfigError: There is none, a name cannot be a folder's, or a component is no recommender, a negative control
            or badly configured.
        UnknownName: Nobody registered a model.
    """
    if not components:
        raise ConfigError(f"{of}: components == {{}}, must name at least one recommender, e.g. {{'ease': {{}}}}")
    return {name: _untrained(name, one, of) for name, one in components.items()}


def _untrained(name: str, component: ComponentConfig, of: str) -> RecommenderWrapper:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{of}: components has the name {name!r}, must be lower-case letters, digits and _, a letter first"
        )
    kind = model(component.model or name)
    if not issubclass(kind, RecommenderWrapper) or kind.negative_control:
        raise ConfigError(
            f"{of}: components.{name} is the model {kind.name!r}, must be a recommender that is no negative control"
        )
    made = kind(component.config)
    made.config.check_unshaped(f"components.{name}.config", of)
    return made


class Components:
    """Trained recommenders, scoring the same users and items.

    Args:
        models: Name to the trained recommender.
        known: Users and items whose indexes are used; what the components do not know of them, they cannot score.
    """

    def __init__(self, models: Mapping[str, RecommenderWrapper], known: TrainingData) -> None:
        self.models = dict(models)
        self._known = known
        self._users = {name: one.known.users.index_of(known.users.ids) for name, one in models.items()}
        self._items = {name: one.known.items.index_of(known.items.ids) for name, one in models.items()}

    @classmethod
    def fitted(
        cls,
        models: Mapping[str, RecommenderWrapper],
        interactions: Interactions,
        known: TrainingData,
        tell: Callable[[int, str], None],
    ) -> Components:
        """Train the models on ratings.

        Args:
            models: Name to the recommender, which is trained in place.
            interactions: What to learn from.
            known: As for the class.
            tell: Told the number, from 1, and the name of each that is trained.
        """
        for number, (name, one) in enumerate(models.items(), 1):
            one.fit(interactions)
            tell(number, name)
        return cls(models, known)

    def standard(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Every component's scores on one scale.

        Args:
            user_index: (n,) int64 of ``known``.

        Returns:
            (n_components, n, n_items) float32, see :func:`standard_scores`; 0 for a user a component does not know.
        """
        seen = self.seen(user_index)
        return np.stack([standard_scores(self._scores(name, user_index), seen) for name in self.models])

    def scorable(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(n, n_items) bool, True where an item is known to a component that knows the user."""
        found = np.zeros((len(user_index), len(self._known.items)), np.bool_)
        for name in self.models:
            found |= (self._users[name][user_index] != UNKNOWN)[:, np.newaxis] & (self._items[name] != UNKNOWN)
        return found

    def seen(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """(n, n_items) bool, True where the user rated the item."""
        seen = np.zeros((len(user_index), len(self._known.items)), np.bool_)
        seen[stored(self._known.history.indptr, self._known.history.indices, user_index)] = True
        return seen

    def contributions(
        self, weights: Mapping[str, float], user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None:
        """What each thing the user rated did for a weighted sum of the standard scores.

        Args:
            weights: Component to its weight.
            user_index: A known user with a history.
            item_index: (m,) int64 items.

        Returns:
            As of :meth:`RecommenderWrapper.contributions`: the sum of the components' own, in units of the deviation of
            their scores. Where these do not sum to a score, being likenesses, the standard score above 0 is shared out
            by them. Components that cannot tell are left out. None where none can.
        """
        _, rated = stored(self._known.history.indptr, self._known.history.indices, np.array([user_index]))
        total, told = np.zeros((len(item_index), len(rated)), np.float32), False
        for name, weight in weights.items():
            part = self._contributions(name, user_index, item_index, rated) if weight else None
            if part is not None:
                total, told = total + np.float32(weight) * part, True
        return (rated, total) if told else None

    def shared_terms(
        self, weights: Mapping[str, float], user_index: int, item_index: npt.NDArray[np.int64], n: int
    ) -> list[list[str]] | None:
        """As of :meth:`RecommenderWrapper.shared_terms`, by the first component with a weight that tells; nothing for
        items it does not know.
        """
        for name, weight in weights.items():
            user, asked = int(self._users[name][user_index]), self._items[name][item_index]
            known = asked != UNKNOWN
            if not weight or user == UNKNOWN:
                continue
            told = self.models[name].shared_terms(user, asked[known], n)
            if told is not None:
                found = iter(told)
                return [next(found) if is_known else [] for is_known in known.tolist()]
        return None

    def _contributions(
        self, name: str, user_index: int, item_index: npt.NDArray[np.int64], rated: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32] | None:
        """(m, h) of one component in units of its scores' deviation; 0 for items it does not know."""
        model, items = self.models[name], self._items[name]
        user, asked = int(self._users[name][user_index]), items[item_index]
        known = asked != UNKNOWN
        if user == UNKNOWN or not known.any():
            return None
        found = model.contributions(user, asked[known])
        if found is None:
            return None
        place = {int(item): number for number, item in enumerate(items[rated])}
        column = np.array([place.get(int(item), UNKNOWN) for item in found[0]], np.int64)
        own = self._in_deviations(name, user_index, item_index[known], found[1])
        part = np.zeros((len(item_index), len(rated)), np.float32)
        part[np.ix_(known, column[column != UNKNOWN])] = own[:, column != UNKNOWN]
        return part

    def _in_deviations(
        self, name: str, user_index: int, item_index: npt.NDArray[np.int64], own: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(m, h) of a component's own contributions, on the scale of its standard scores."""
        scores = self._scores(name, np.array([user_index]))
        deviation, told = self._deviation(name, user_index), np.nan_to_num(scores[0, item_index])
        if np.allclose(own.sum(axis=1), told, rtol=_ROUNDING, atol=_ROUNDING * float(deviation)):
            return own / deviation
        # Likenesses have no common measure with summands: a hundred cosines would drown what another model added up.
        above = np.maximum(standard_scores(scores, self.seen(np.array([user_index])))[0, item_index], 0)
        speaking = np.maximum(own, 0)
        total = speaking.sum(axis=1, keepdims=True)
        shared: npt.NDArray[np.float32] = speaking / np.where(total > 0, total, 1) * above[:, np.newaxis]
        return shared

    def _deviation(self, name: str, user_index: int) -> np.float32:
        """Score per standard score: that of the two items farthest apart, or 1 where all score the same."""
        scores = self._scores(name, np.array([user_index]))
        standard = standard_scores(scores, self.seen(np.array([user_index])))[0]
        if not standard.any():
            return np.float32(1.0)
        apart = [int(np.nanargmin(scores[0])), int(np.nanargmax(scores[0]))]
        raw, common = np.diff(scores[0][apart])[0], np.diff(standard[apart])[0]
        return np.float32(raw / common) if common > 0 else np.float32(1.0)

    def _scores(self, name: str, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) in ``known``'s indexes, NaN where the component does not know user or item."""
        scores = np.full((len(user_index), len(self._known.items)), np.nan, np.float32)
        users, items = self._users[name][user_index], self._items[name]
        there = users != UNKNOWN
        if there.any():
            columns = np.flatnonzero(items != UNKNOWN)
            scores[np.ix_(there, columns)] = self.models[name].score(users[there])[:, items[columns]]
        return scores
