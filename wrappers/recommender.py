"""The base of every recommender: lists, the seen filter, exclusions and cold users live here, once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from core.errors import ConfigError, DataError
from core.ids import UNKNOWN
from core.interactions import Interactions
from core.protocols import DataLoader
from evaluation.rating_errors import RatingErrors
from wrappers.artifact import Artifact, write_artifact
from wrappers.asked import Asked
from wrappers.base import EvaluationConfig, ModelConfig, ModelWrapper
from wrappers.blocks import row_blocks
from wrappers.causes import Cause
from wrappers.feature_rows import UserRows
from wrappers.list_qualities import ItemTraits, shaped_lists
from wrappers.offline import OfflineEvaluation, evaluate_recommender
from wrappers.reasons import add_reasons, causes_of
from wrappers.requests import Id, Requests, parse_requests
from wrappers.search_space import SearchSpace
from wrappers.top_k import PADDING, stored, top_k
from wrappers.training_data import TrainingData

Arrays = dict[str, npt.NDArray[Any]]


class Recommendations(NamedTuple):
    """Lists for n users.

    Attributes:
        item_index: (n, k) int64, best first, -1 where a list is shorter.
        scores: (n, k) float32 of those items, NaN where a list is shorter. A cold user's score is the number of
            training users of the item.
        cold: (n,) bool, True where the model had nothing to go by and popularity order was given.
    """

    item_index: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    cold: npt.NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Self], k: int) -> Self:
        """Lists of consecutive users as one; of nobody where there are no parts."""
        if not parts:
            return cls(np.empty((0, k), np.int64), np.empty((0, k), np.float32), np.empty(0, np.bool_))
        return parts[0] if len(parts) == 1 else cls(*map(np.concatenate, zip(*parts, strict=True)))


class RecommenderWrapper(ModelWrapper):
    """Recommends items to users. Subclasses write ``_fit`` (or ``_fit_details``), ``score``, ``state`` and
    ``restore``, and ``contributions`` where they can tell why.

    What holds for every recommender:

    * Only items with a training rating are recommended, unless the model knows others by what they are
      (``recommends_unrated``); what the user rated in training is left out by default.
    * An item whose score is NaN is never recommended, so a list may be shorter than k, or empty.
    * Equal scores rank by ``item_index``: the same request gets the same list.
    * Lists have the qualities that the configuration asks for (:mod:`wrappers.list_qualities`); scores stay its own.
    * A cold user (unknown, without history, or with no item the model can score) gets the training data's
      popularity order and is marked cold.
    """

    personalised: ClassVar[bool] = True
    """Whether lists depend on the user beyond what is left out of them."""
    needs_details: ClassVar[bool] = False
    """Learns from more than who rated what (how much, when, what of): it writes ``_fit_details``, and can be fitted on
    ratings that are only indexed, as a retriever is, no more."""
    recommends_unrated: ClassVar[bool] = False
    """Knows also items of the item table that nobody rated in training, by what they are."""
    gives_probabilities: ClassVar[bool] = False
    """A score is the probability that the user likes the item, so that it can be judged as one."""
    search_space: ClassVar[SearchSpace] = {}
    """Which hyperparameters are worth searching for, and where; see ``wrappers/tuning.py``."""

    known: TrainingData

    def _fit(self, history: sparse.csr_array[Any, Any]) -> None:
        """Learn from (n_users, n_items) float32, 1 where a training rating exists."""
        raise NotImplementedError(f"{self.name} writes neither _fit nor _fit_details")

    def _fit_details(self, interactions: Interactions) -> None:
        """Learn from everything the training part tells; ``known`` is set already. By default its ``history`` alone."""
        self._fit(self.known.history)

    @abstractmethod
    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Score every item for known users.

        Args:
            user_index: (n,) int64, each 0 … n_users - 1; may repeat.

        Returns:
            (n, n_items) float32 that the caller may change; higher is better, NaN = cannot score.
        """

    def warm_up(self) -> None:
        """Score a user, as the first request of one who is known would."""
        if len(self.known.users):
            self.score(np.zeros(1, np.int64))

    @classmethod
    def tuned_components(cls, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Options that set the models it is made of up as found; none for a model that is made of no others.

        Args:
            found: Model to the hyperparameters found for it.
        """
        return {}

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None:
        """How much each thing the user rated did for each item's score: what its reason is made from.

        Args:
            user_index: A known user with a history.
            item_index: (m,) int64 items that were recommended.

        Returns:
            (h,) int64 items, and (m, h) float32 what each did for each score, more is more. Where the score is a sum
            over them, its summands; else whatever in the model says how much one goes with the other, e.g. the cosine
            of their learned descriptions. None: the model does not look at items the user rated (popularity).
        """
        return None

    def shared_terms(self, user_index: int, item_index: npt.NDArray[np.int64], n: int = 5) -> list[list[str]] | None:
        """What each item has in common with what the user rated, for models that look at what items are.

        Args:
            user_index: A known user with a history.
            item_index: (m,) int64 items.
            n: Terms per item at most.

        Returns:
            Per item its terms as ``"field:value"``, those that do most for the score first: ``genre:Drama``,
            ``tag:dark comedy``, ``title:star`` (a word of it), ``year:1995``, ``decade:1990s``. None: the model does
            not look at such things.
        """
        return None

    def rating_errors(self, test: Interactions) -> RatingErrors | None:
        """RMSE and MAE on held-out ratings, for models that foretell ratings; None: it foretells none."""
        return None

    def causes(self, asked: Asked, found: Recommendations, features: UserRows | None = None) -> list[Cause]:
        """Why each item stands in a list.

        Args:
            asked: Of one user.
            found: What the user was given; of its one list what is not padding is told of.
            features: What a model that ranks on features ranked the user on; of that one user.

        Returns:
            One per item of the list. See :func:`wrappers.reasons.causes_of`.
        """
        return causes_of(self, asked, found)

    @abstractmethod
    def state(self) -> Arrays:
        """What was learned, besides the training data that the base stores."""

    @abstractmethod
    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take back what ``state`` returned; ``known`` is set already.

        Raises:
            KeyError: An array is missing.
            ValueError: An array has the wrong shape.
        """

    def train(self, data_loader: DataLoader, config: Mapping[str, Any] | ModelConfig | None = None) -> Self:
        """Learn from ``data_loader.train()``; every rating counts as a positive. See :meth:`ModelWrapper.train`."""
        if config is not None:
            self.config = self.Config.parse(config, of=self.name)
        return self.fit(data_loader.train())

    def fit(self, interactions: Interactions) -> Self:
        """Learn from ratings at hand; every one counts as a positive, whatever its value.

        Raises:
            DataError: There is no rating.
            ConfigError: A hyperparameter does not fit the data.
        """
        self.known = TrainingData.of(interactions, with_unrated=self.recommends_unrated)
        self._fit_details(interactions)
        return self

    def fit_known(self, known: TrainingData) -> Self:
        """Learn from ratings that are indexed already.

        Raises:
            ConfigError: The model needs more than that (``needs_details``), or a hyperparameter does not fit the data.
        """
        if self.needs_details:
            raise ConfigError(f"{self.name} learns from more than who rated what; use fit")
        self.known = known
        self._fit(known.history)
        return self

    def recommend(
        self,
        user_ids: Sequence[Any] | npt.NDArray[Any],
        k: int = 10,
        *,
        exclude: Sequence[Iterable[Any]] | None = None,
        filter_seen: bool = True,
    ) -> Recommendations:
        """The k best items for each user.

        Args:
            user_ids: (n,) external ids; unknown ones are cold; empty gives empty arrays.
            k: Length of a list, at least 1; lists end earlier where nothing is left.
            exclude: Item ids not to recommend, one collection per user; unknown ones are ignored.
            filter_seen: Leave out what the user rated in training.

        Raises:
            ConfigError: k < 1, or exclude has not one entry per user.
        """
        asked = Asked.of(self.known, user_ids, k, exclude, filter_seen)
        blocks = row_blocks(len(asked.user_index), len(self.known.items))
        return Recommendations.joined([self.best(asked.part(start, stop)) for start, stop in blocks], k)

    def best(self, asked: Asked) -> Recommendations:
        """Lists for so few users that scores of all items fit in memory; see :meth:`recommend`."""
        return self.best_and_scores(asked)[0]

    def best_and_scores(self, asked: Asked) -> tuple[Recommendations, npt.NDArray[np.float32]]:
        """Lists as of :meth:`best`, and (n, n_items) float32 that they were chosen by, NaN for what may not be in them.

        An evaluation needs both, and scoring is dear: whoever overrides :meth:`best` overrides this too.
        """
        scores, cold = self.scores_or_popularity(asked.user_index)
        if asked.filter_seen:
            self._hide_seen(scores, asked.user_index)
        scores[asked.excluded_row, asked.excluded_item] = np.nan
        return self._listed(scores, cold, asked.k), scores

    def _listed(
        self,
        scores: npt.NDArray[np.float32],
        cold: npt.NDArray[np.bool_],
        k: int,
        item_index: npt.NDArray[np.int64] | None = None,
    ) -> Recommendations:
        """The lists that scores make, with the qualities that the configuration asks for.

        Args:
            scores: (n, m) float32 of what may be listed, NaN = not; equal scores rank by column.
            cold: (n,) bool.
            k: Length of a list.
            item_index: (n, m) int64, whose scores they are; None: the columns are the items.
        """
        if self.config.shapes_lists:
            items = np.broadcast_to(np.arange(scores.shape[1]), scores.shape) if item_index is None else item_index
            traits = ItemTraits(self.known.genre_flags, self.known.is_new)
            return Recommendations(*shaped_lists(scores, items, k, traits, self.config), cold)
        chosen, best = top_k(scores, k)
        if item_index is None:
            return Recommendations(chosen, best, cold)
        item = item_index[np.arange(len(chosen))[:, np.newaxis], chosen]
        return Recommendations(np.where(chosen == PADDING, PADDING, item), best, cold)

    def predict(self, input_data: pd.DataFrame | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Answer requests, in their order.

        Args:
            input_data: See :func:`wrappers.requests.parse_requests`.

        Returns:
            ``{"user_id", "items": [{"item_id", "title", "score"}], "cold"}`` each, best item first; ids keep the
            type they have in the training data. Where a request asked to explain, each item also has a ``reason`` in
            words and its ``confidence`` (:class:`wrappers.causes.Cause`).

        Raises:
            BadInput: A request is not what it should be.
        """
        return self._in_order(parse_requests(input_data))

    def _in_order(self, requests: Requests) -> list[dict[str, Any]]:
        """The answer to each request."""
        if not requests.user_ids:
            return []
        if not self.config.shapes_lists or min(requests.ks) == max(requests.ks):
            return self._answered(requests)
        # What stands in the first places of a longer list depends on its length.
        answers: dict[int, dict[str, Any]] = {}
        for k in set(requests.ks):
            places, alike = requests.of_length(k)
            answers.update(zip(places, self._answered(alike), strict=True))
        return [answers[place] for place in range(len(requests.ks))]

    def _answered(self, requests: Requests) -> list[dict[str, Any]]:
        """The answer to each of at least one request; where the configuration shapes lists, of lists of one length."""
        k = max(requests.ks)
        found = self.recommend(requests.user_ids, k, exclude=requests.exclude)
        answers = self._answers(requests, found)
        if any(requests.languages):
            asked = Asked.of(self.known, requests.user_ids, k, requests.exclude, filter_seen=True)
            add_reasons(self, requests, asked, found, answers)
        return answers

    def _answers(self, requests: Requests, found: Recommendations) -> list[dict[str, Any]]:
        """Each request's list, cut to its own k."""
        n_found = np.minimum((found.item_index != UNKNOWN).sum(axis=1), requests.ks).tolist()
        return [
            {"user_id": user_id, "items": self._items(index[:n], scores[:n]), "cold": cold}
            for user_id, index, scores, cold, n in zip(
                requests.user_ids, found.item_index, found.scores, found.cold.tolist(), n_found, strict=True
            )
        ]

    def evaluate(
        self, data_loader: DataLoader, config: Mapping[str, Any] | EvaluationConfig | None = None
    ) -> OfflineEvaluation:
        """Judge the lists on held-out ratings. See :func:`wrappers.offline.evaluate_recommender`."""
        options = EvaluationConfig.parse(config, of="evaluation")
        return evaluate_recommender(self, data_loader.test(), options)

    def save(self, folder: Path) -> None:
        """Write the trained model. See :meth:`ModelWrapper.save`."""
        if not hasattr(self, "known"):
            raise ConfigError(f"{self.name} is not trained; call train before save")
        write_artifact(folder, self._artifact())

    def _artifact(self) -> Artifact:
        """Everything that is stored. A subclass adds to it what is no array of its own state."""
        header = {
            "model": self.name,
            "config": self.config.model_dump(mode="json"),
            "dimensions": {"n_users": len(self.known.users), "n_items": len(self.known.items)},
            "id_types": {"user_id": _id_type(self.known.users.ids), "item_id": _id_type(self.known.items.ids)},
        }
        return Artifact(header, {"known": self.known.arrays(), "state": self.state()}, {"items": self.known.catalogue})

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """The trained model that an artifact holds. See :meth:`ModelWrapper.from_artifact`."""
        model = cls(artifact.header["config"])
        try:
            model.known = TrainingData.from_arrays(artifact.arrays["known"], artifact.tables["items"])
            model._take_back(artifact)
        except (KeyError, ValueError) as error:
            problem = f"the artifact of model {cls.name!r} does not fit together: {error}; train it again"
            raise DataError(problem) from error
        return model

    def _take_back(self, artifact: Artifact) -> None:
        """What ``_artifact`` gave; ``known`` is set already.

        Raises:
            KeyError: A part is missing.
            ValueError: A part has the wrong shape.
        """
        self.restore(artifact.arrays["state"])

    def _items(self, index: npt.NDArray[np.int64], scores: npt.NDArray[np.float32]) -> list[dict[str, Id | float]]:
        ids, titles = self.known.items.ids[index].tolist(), self.known.titles[index]
        return [
            {"item_id": item_id, "title": title, "score": score}
            for item_id, title, score in zip(ids, titles, scores.tolist(), strict=True)
        ]

    def scores_or_popularity(
        self, user_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """(n, n_items) scores, popularity in the rows of cold users; (n,) bool which those are."""
        indptr = self.known.history.indptr
        warm = (user_index != UNKNOWN) & (indptr[user_index + 1] > indptr[user_index])
        if warm.all():
            scores = self.score(user_index)
        else:
            scores = np.full((len(user_index), len(self.known.items)), np.nan, np.float32)
            if warm.any():
                scores[warm] = self.score(user_index[warm])
        cold = np.isnan(scores).all(axis=1)
        scores[cold] = self.known.popularity
        return scores, cold

    def _hide_seen(self, scores: npt.NDArray[np.float32], user_index: npt.NDArray[np.int64]) -> None:
        known = np.flatnonzero(user_index != UNKNOWN)
        position, item = stored(self.known.history.indptr, self.known.history.indices, user_index[known])
        scores[known[position], item] = np.nan


def _id_type(ids: npt.NDArray[Any]) -> str:
    return "int64" if ids.dtype.kind == "i" else "str"
