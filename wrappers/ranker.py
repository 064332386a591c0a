"""The base of models that rank a retriever's candidates on features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from core.errors import ConfigError
from core.interactions import Interactions
from feature_repo.catalogue import FeatureLayout, filled
from wrappers.artifact import Artifact
from wrappers.asked import Asked
from wrappers.base import ModelConfig
from wrappers.blocks import row_blocks
from wrappers.candidates import Candidates
from wrappers.causes import Cause
from wrappers.feature_causes import by_features
from wrappers.feature_rows import GivenFeatures, StoredRows, UserRows
from wrappers.own_tags import without_foreign_tags
from wrappers.ranking_columns import column_names, ranking_columns
from wrappers.reasons import MOST_NAMED, add_reasons, by_popularity, causes_of
from wrappers.recommender import Arrays, Recommendations, RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.registry import model
from wrappers.requests import Requests, parse_requests
from wrappers.top_k import PADDING, top_k
from wrappers.training_data import TrainingData

if TYPE_CHECKING:
    from wrappers.ranker_training import TrainingRows


class RankerConfig(RecommenderConfig):
    """Where candidates come from, and what is learned from; chosen inside ml-latest-small's training part
    (benchmarks/model_defaults.py).
    """

    retriever: str = "ease"
    """Registered name of the recommender that candidates come from; one that needs no features."""
    retriever_config: dict[str, Any] = Field(default_factory=dict)
    """That recommender's hyperparameters."""
    n_candidates: int = Field(200, ge=1, le=10_000)
    """Items retrieved for each user and ranked; nothing else is recommended, so a list is no longer than this."""
    held_out_share: float = Field(0.2, gt=0, lt=1)
    """Share of each user's training ratings that label the candidates; retriever and features do not know them."""
    liked_rating: float = 4.0
    """A held-out rating of at least this makes a candidate a positive."""
    max_rows: int = Field(1_000_000, ge=1)
    """About how many candidates to learn from at most; beyond it users are left out at random. A million of 100
    columns take about 1 GB."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Of what is held out, of users left out, and of whatever else is random."""


class RankerWrapper(RecommenderWrapper):
    """Ranks a retriever's candidates on features of user and item. Subclasses write ``_learn`` and ``_rank``.

    Trained in three steps, so that no candidate is described by what labels it: a share of each user's ratings is held
    out; retriever and features learn from the rest, and the held-out ratings label the candidates retrieved for their
    users; then retriever and features learn from everything. Where no candidate, or every one, is positive, there is
    nothing to learn and the order stays the retriever's.

    Beside what holds for every recommender:

    * A request may bring its user's features; else the row stored at training time is used
      (:class:`wrappers.feature_rows.RowSource`). Items' rows are those stored.
    * A cold user who brings features gets the most popular items ranked on them; without, popularity order.
    * Equal scores rank in the retriever's order.
    """

    Config: ClassVar[type[ModelConfig]] = RankerConfig
    needs_features = True
    needs_details = True

    layout: FeatureLayout
    """What stands in which column of a user's row and of an item's."""
    features_version: str
    """What rows computed from the training ratings are filed under in the feature store."""

    _retriever: RecommenderWrapper
    _candidates: Candidates
    _stored: StoredRows
    #: (n_items, n_item_features) float32 without NaN.
    _item_rows: npt.NDArray[np.float32]
    #: (n_candidates,) float32: what stands in for the retriever's score of popular items.
    _typical_scores: npt.NDArray[np.float32]

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        super().__init__(config)
        # Made here, so that a retriever that is unknown or badly configured is refused before any training.
        self._retriever = self._untrained_retriever()

    @abstractmethod
    def _learn(self, rows: TrainingRows) -> None:
        """Learn to tell positive rows from the others of the same user.

        Args:
            rows: May be empty, or all of one kind: then every candidate gets the same score.
        """

    @abstractmethod
    def _rank(self, columns: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, c) float32, higher is better, of (n, c, n_columns) float32; see :func:`ranking_columns`."""

    def warm_up(self) -> None:
        """As what proposes candidates does, which gives reasons too."""
        super().warm_up()
        self._retriever.warm_up()

    @property
    def column_names(self) -> tuple[str, ...]:
        """What candidates are ranked on."""
        return column_names(self.layout)

    def fit(self, interactions: Interactions) -> Self:
        """Learn from ratings at hand. See :meth:`RecommenderWrapper.fit`."""
        # Imports DuckDB and Ibis when called: a server that has loaded a model needs neither.
        from feature_repo.matrices import features_as_of, features_version
        from wrappers.ranker_training import divide, training_rows

        known = TrainingData.of(interactions)
        rows = training_rows(
            divide(interactions, self.config.held_out_share, self.config.seed),
            self._untrained_retriever(),
            n_candidates=self.config.n_candidates,
            liked_rating=self.config.liked_rating,
            max_rows=self.config.max_rows,
            seed=self.config.seed,
        )
        features = features_as_of(without_foreign_tags(interactions))
        self.layout, self.features_version = features.layout, features_version(interactions, features.layout)
        self._stored = StoredRows(features.user, self.layout)
        self._item_rows = filled(features.item, self.layout.item_defaults)
        self._typical_scores = rows.typical_scores
        self._learn(rows)
        self._retriever = self._untrained_retriever().fit_known(known)
        self._candidates = Candidates(self._retriever, self.config.n_candidates)
        self.known = known
        return self

    def recommend(
        self,
        user_ids: Sequence[Any] | npt.NDArray[Any],
        k: int = 10,
        *,
        exclude: Sequence[Iterable[Any]] | None = None,
        filter_seen: bool = True,
        features: Sequence[GivenFeatures] | None = None,
    ) -> Recommendations:
        """The k best candidates for each user. See :meth:`RecommenderWrapper.recommend`.

        Args:
            user_ids: As there.
            k: As there; a list has at most ``n_candidates`` items.
            exclude: As there.
            filter_seen: As there.
            features: One entry per user: ``RowSource.TRAINING`` where the row stored at training time is to be used,
                None where nothing is known, else a row (n_user_features,) float32, NaN = missing. None: every stored
                row.

        Raises:
            ConfigError: k < 1, or exclude or features has not one entry per user.
        """
        asked = Asked.of(self.known, user_ids, k, exclude, filter_seen)
        return self._lists(asked, UserRows.of(features, asked.user_index, self._stored))

    def predict(self, input_data: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer requests, in their order.

        Args:
            input_data: See :func:`wrappers.requests.parse_requests`; a request may hold ``features``.

        Returns:
            As :meth:`RecommenderWrapper.predict`, and ``"features"``: "training", "given", "partial" or "default".

        Raises:
            BadInput: A request is not what it should be.
        """
        return self._in_order(parse_requests(input_data, self.layout))

    def _answered(self, requests: Requests) -> list[dict[str, Any]]:
        asked = Asked.of(self.known, requests.user_ids, max(requests.ks), requests.exclude, filter_seen=True)
        rows = UserRows.of(requests.features, asked.user_index, self._stored)
        found = self._lists(asked, rows)
        answers = self._answers(requests, found)
        if any(requests.languages):
            add_reasons(self, requests, asked, found, answers, rows)
        return [{**answer, "features": source.value} for answer, source in zip(answers, rows.sources, strict=True)]

    def best(self, asked: Asked) -> Recommendations:
        """Lists on the rows stored at training time. See :meth:`RecommenderWrapper.best`."""
        return self._list_block(asked, UserRows.of(None, asked.user_index, self._stored))

    def best_and_scores(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.float32]]:
        """NaN for what is no candidate. See :meth:`RecommenderWrapper.best_and_scores`."""
        rows = UserRows.of(None, asked.user_index, self._stored)
        ranked = [self._ranked(asked.part(*block), rows.part(*block)) for block in self._blocks(asked)]
        found = Recommendations.joined(ranked, self.config.n_candidates)
        scores = np.full((len(asked.user_index), len(self.known.items)), np.nan, np.float32)
        row, place = np.nonzero(found.item_index != PADDING)
        scores[row, found.item_index[row, place]] = found.scores[row, place]
        return self._listed(found.scores, found.cold, asked.k, found.item_index), scores

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32, NaN for what is no candidate. See :meth:`RecommenderWrapper.score`."""
        nothing = np.empty(0, np.int64)
        return self.best_and_scores(Asked(user_index, self.config.n_candidates, True, nothing, nothing))[1]

    def state(self) -> Arrays:
        """Rows of users and items, and the retriever's typical scores. Subclasses add what they learned."""
        return {"user_rows": self._stored.rows, "item_rows": self._item_rows, "typical_scores": self._typical_scores}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back the rows."""
        expected = {
            "user_rows": (len(self.known.users), len(self.layout.user_names)),
            "item_rows": (len(self.known.items), len(self.layout.item_names)),
            "typical_scores": (self.config.n_candidates,),
        }
        for name, shape in expected.items():
            if state[name].shape != shape:
                raise ValueError(f"{name} has shape {state[name].shape}, must have {shape}")
        self._stored = StoredRows(state["user_rows"], self.layout)
        self._item_rows, self._typical_scores = state["item_rows"], state["typical_scores"]

    def _artifact(self) -> Artifact:
        made = super()._artifact()
        features = {"version": self.features_version, "genres": list(self.layout.genres)}
        return replace(
            made,
            header={**made.header, "features": features},
            arrays={**made.arrays, "retriever": self._retriever.state()},
        )

    def _take_back(self, artifact: Artifact) -> None:
        features = artifact.header["features"]
        self.layout, self.features_version = FeatureLayout(tuple(features["genres"])), features["version"]
        self._retriever.known = self.known
        self._retriever.restore(artifact.arrays["retriever"])
        self._candidates = Candidates(self._retriever, self.config.n_candidates)
        super()._take_back(artifact)

    def causes(self, asked: Asked, found: Recommendations, features: UserRows | None = None) -> list[Cause]:
        """What sets each item apart from the user's other candidates. See :meth:`RecommenderWrapper.causes`."""
        rows = features or UserRows.of(None, asked.user_index, self._stored)
        if found.cold[0] and not rows.given[0]:
            return causes_of(self, asked, found)
        items = found.item_index[0][found.item_index[0] != PADDING]
        if found.cold[0]:
            retrieved = by_popularity(self.known, items, "popular")
        else:
            retrieved = self._retriever.causes(asked, found)
        candidates, place = self._retrieved(asked)
        there = candidates.item_index[0] != PADDING
        columns = self._columns(candidates, place, rows)[0, there]
        candidate = candidates.item_index[0, there]
        order = np.argsort(candidate)
        listed = order[np.searchsorted(candidate, items, sorter=order)]
        typical, effects = columns.mean(axis=0), self._effects(columns, listed)
        own = [
            by_features(self.column_names, columns[at], typical, effect, cause, MOST_NAMED)
            for at, effect, cause in zip(listed, effects, retrieved, strict=True)
        ]
        return causes_of(self, asked, found, own)

    def _effects(self, columns: npt.NDArray[np.float32], listed: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """What each column does for a candidate's score: how much lower it is with the candidates' mean in its place.

        Subclasses that know it exactly tell that instead.

        Args:
            columns: (c, n_columns) float32 of all of one user's candidates.
            listed: (m,) int64, which candidates to tell of.

        Returns:
            (m, n_columns) float32.
        """
        each = np.arange(columns.shape[1])
        swapped = columns[listed][:, np.newaxis].repeat(len(each), axis=1)
        swapped[:, each, each] = columns.mean(axis=0)
        return self._rank(columns[np.newaxis, listed])[0][:, np.newaxis] - self._rank(swapped)

    def _lists(self, asked: Asked, rows: UserRows) -> Recommendations:
        blocks = self._blocks(asked)
        if len(blocks) == 1:
            return self._list_block(asked, rows)
        parts = [self._list_block(asked.part(*block), rows.part(*block)) for block in blocks]
        return Recommendations.joined(parts, asked.k)

    def _list_block(self, asked: Asked, rows: UserRows) -> Recommendations:
        ranked = self._ranked(asked, rows)
        return self._listed(ranked.scores, ranked.cold, asked.k, ranked.item_index)

    def _blocks(self, asked: Asked) -> list[tuple[int, int]]:
        width = max(len(self.known.items), self.config.n_candidates * len(self.column_names))
        return row_blocks(len(asked.user_index), width)

    def _ranked(self, asked: Asked, rows: UserRows) -> Recommendations:
        """The candidates of a block of users, in the retriever's order, with this model's scores."""
        found, place = self._retrieved(asked)
        scores = self._candidate_scores(found, place, rows)
        scores[found.item_index == PADDING] = np.nan
        return Recommendations(found.item_index, scores, found.cold)

    def _retrieved(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.int64]]:
        """The candidates of a block of users with the retriever's scores; (n, c) int64 the place of each in its list.

        Where lists have exploration slots, as many new items as a list is long stand behind the ``n_candidates``.
        """
        depth = self.config.n_candidates
        further = int(np.bincount(asked.excluded_row).max(initial=0))
        found = self._candidates.best(asked.retrieval(depth + further))
        place = np.arange(depth)[np.newaxis].repeat(len(asked.user_index), axis=0)
        if further:
            # The next ones come in for those excluded. Nobody's score changes by that, as no place in the list does.
            excluded = _contains(asked, found.item_index, len(self.known.items))
            place = np.argsort(excluded, axis=1, kind="stable")[:, :depth]
            item, scores = (np.take_along_axis(of_all, place, axis=1) for of_all in found[:2])
            item[np.take_along_axis(excluded, place, axis=1)] = PADDING
            found = Recommendations(item, scores, found.cold)
        return self._with_new(asked, found, place) if self.config.explore_slots else (found, place)

    def _with_new(
        self, asked: Asked, found: Recommendations, place: npt.NDArray[np.int64]
    ) -> tuple[Recommendations, npt.NDArray[np.int64]]:
        """The retriever's best new items behind the candidates, each with the place it has in the retriever's order."""
        _, scores = self._retriever.best_and_scores(asked.retrieval(1))
        places = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
        scores[:, ~self.known.is_new] = np.nan
        scores[asked.excluded_row, asked.excluded_item] = np.nan
        # Padding marks the last item. Where there is any, everything the retriever can score is a candidate already.
        np.put_along_axis(scores, found.item_index, np.nan, axis=1)
        new, of_new = top_k(scores, asked.k)
        both = np.hstack([found.item_index, new]), np.hstack([found.scores, of_new])
        return Recommendations(*both, found.cold), np.hstack([place, np.take_along_axis(places, new, axis=1)])

    def _candidate_scores(
        self, found: Recommendations, place: npt.NDArray[np.int64], rows: UserRows
    ) -> npt.NDArray[np.float32]:
        """(n, c) float32; popularity for cold users without features."""
        ranked = self._rank(self._columns(found, place, rows))
        # Ranked are all, and popularity put in its place after: to pick users and put them back costs each one more.
        return np.where(found.cold[:, np.newaxis] & ~rows.given[:, np.newaxis], found.scores, ranked)

    def _columns(self, found: Recommendations, place: npt.NDArray[np.int64], rows: UserRows) -> npt.NDArray[np.float32]:
        """(n, c, n_columns) float32 that candidates are ranked on."""
        typical = self._typical_scores[np.minimum(place, len(self._typical_scores) - 1)]
        retrieved = np.where(found.cold[:, np.newaxis], typical, found.scores)
        return ranking_columns(self.layout, rows.rows, self._item_rows, found.item_index, retrieved, place)

    def _untrained_retriever(self) -> RecommenderWrapper:
        found = model(self.config.retriever)
        if not issubclass(found, RecommenderWrapper) or found.needs_details:
            raise ConfigError(
                f"{self.name}: retriever == {self.config.retriever!r}, must be a recommender that learns from who "
                "rated what alone, e.g. 'ease'"
            )
        made = found(self.config.retriever_config)
        made.config.check_unshaped("retriever_config", self.name)
        return made


def _contains(asked: Asked, item_index: npt.NDArray[np.int64], n_items: int) -> npt.NDArray[np.bool_]:
    """(n, c) bool, True where a candidate is excluded."""
    row = np.arange(len(item_index))[:, np.newaxis]
    return np.isin(row * n_items + item_index, asked.excluded_row * n_items + asked.excluded_item)
