"""The base of recommenders that are made of others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.errors import ConfigError
from core.interactions import Interactions
from core.progress import report
from core.protocols import DataLoader
from wrappers.artifact import Artifact, wrapper_of
from wrappers.base import ModelConfig
from wrappers.blocks import row_blocks
from wrappers.components import ComponentConfig, Components, untrained
from wrappers.out_of_fold import HeldOut, StackRows, out_of_fold_rows
from wrappers.recommender import RecommenderWrapper
from wrappers.recommender_config import RecommenderConfig
from wrappers.training_data import TrainingData

#: Kinds of split that hold out what is latest, as provenance tells them.
_SPLITS_BY_TIME = ("temporal", "leave_last_n")


class CompositeConfig(RecommenderConfig):
    """What a composite is made of, and what it learns to combine it from."""

    components: dict[str, ComponentConfig] = Field(
        default_factory=lambda: {
            "ease": ComponentConfig(config={"reg": 200.0, "dropout": 0.25}),
            "ials": ComponentConfig(),
            # Smaller than on its own: as a part it is as good, and its training is the longest.
            "bpr": ComponentConfig(config={"embedding_size": 64, "epochs": 20}),
            "sequence_knn": ComponentConfig(),
            "sequence_late": ComponentConfig(model="sequence_knn", config={"recency": 1.0}),
            "content": ComponentConfig(),
        }
    )
    """Component's name to its ``model`` (a registered recommender, by default of the same name) and ``config``."""
    hold_out: Literal["auto", "random", "latest"] = "auto"
    """What is held out to learn from: "random", every rating once, in folds that are spread evenly over each item's
    ratings; "latest", each user's latest ratings, once, where what comes next is to be foretold; "auto", what is like
    the loader's own split, or "random" where ratings come without a loader or know no times."""
    n_folds: int = Field(4, ge=2, le=50)
    """Parts that the ratings are held out in, one after the other; of ``latest``, the share that is."""
    n_candidates: int = Field(100, ge=1, le=10_000)
    """Items of each user to learn from: the best of each component."""
    liked_rating: float = 0.0
    """A held-out rating of at least this is to be found; 0: every one."""
    max_rows: int = Field(1_000_000, ge=1)
    """About how many candidates to learn from at most; of more, whole folds are left out, then users at random."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Of what is held out, of users left out, and of whatever else is random."""


class CompositeWrapper(RecommenderWrapper):
    """Combines what other recommenders say. Subclasses write ``_learn``, ``_combined`` and ``_component_weights``.

    Trained in two steps, so that no combination is learned from scores that have seen the answer (Wolpert 1992,
    "Stacked generalization"): ratings are held out in folds, the components learn from the rest, and their scores of
    what they did not see are what ``_learn`` gets; then the components learn from everything.
    """

    Config: ClassVar[type[ModelConfig]] = CompositeConfig
    needs_details = True

    #: The components, never trained.
    _kinds: dict[str, RecommenderWrapper]
    _components: Components
    #: How the loader that it is trained from holds out its test part; empty without a loader.
    _split = ""

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        super().__init__(config)
        # Made here, so that a component that is unknown or badly configured is refused before any training.
        self._kinds = untrained(self.config.components, self.name)

    @classmethod
    def tuned_components(cls, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Options in which each default component has the hyperparameters that were found for its model.

        Args:
            found: Model to its hyperparameters.
        """
        components: dict[str, ComponentConfig] = cls.Config().components  # type: ignore[attr-defined]
        tuned = {
            name: one.model_copy(update={"config": {**one.config, **found.get(one.model or name, {})}})
            for name, one in components.items()
        }
        return {"components": {name: one.model_dump() for name, one in tuned.items()}}

    @abstractmethod
    def _learn(self, rows: StackRows) -> None:
        """Learn to tell what was held out from the other candidates.

        Args:
            rows: May be empty: then nothing can be learned.
        """

    @abstractmethod
    def _combined(
        self, user_index: npt.NDArray[np.int64], standard: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n, n_items) float32 scores of (n_components, n, n_items) standard scores."""

    @abstractmethod
    def _component_weights(self, user_index: int) -> dict[str, float]:
        """How much a standard deviation of each component does for the user's scores."""

    @property
    def component_names(self) -> list[str]:
        """The components in the order of their scores."""
        return list(self.config.components)

    def train(self, data_loader: DataLoader, config: Mapping[str, Any] | ModelConfig | None = None) -> Self:
        """Learn from ``data_loader.train()``. See :meth:`ModelWrapper.train`."""
        if config is not None:
            self.config = self.Config.parse(config, of=self.name)
            self._kinds = untrained(self.config.components, self.name)
        self._split = data_loader.provenance().split
        return self.fit(data_loader.train())

    def fit(self, interactions: Interactions) -> Self:
        """Learn from ratings at hand. See :meth:`RecommenderWrapper.fit`."""
        unrated = any(one.recommends_unrated for one in self._kinds.values())
        self.known = TrainingData.of(interactions, with_unrated=unrated)
        self._fit_details(interactions)
        return self

    def _fit_details(self, interactions: Interactions) -> None:
        self._learn(
            out_of_fold_rows(
                interactions,
                self._untrained,
                HeldOut(self._holds_out_latest(interactions), self.config.n_folds, self.config.liked_rating),
                n_candidates=self.config.n_candidates,
                max_rows=self.config.max_rows,
                seed=self.config.seed,
                of=self.name,
            )
        )
        self._fit_components(interactions)

    def _fit_components(self, interactions: Interactions) -> None:
        """Train the components on all ratings."""

        def tell(number: int, name: str) -> None:
            n_models = len(self.component_names)
            report(self.name, number, n_models, f"models in {self.name}: {name} trained on all ratings")

        self._components = Components.fitted(self._untrained(), interactions, self.known, tell)

    def score(self, user_index: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """(n, n_items) float32, NaN where no component knows the item. See :meth:`RecommenderWrapper.score`."""
        scores = np.empty((len(user_index), len(self.known.items)), np.float32)
        for start, stop in row_blocks(len(user_index), len(self.known.items) * len(self.component_names)):
            block = user_index[start:stop]
            scores[start:stop] = self._combined(block, self._components.standard(block))
            scores[start:stop][~self._components.scorable(block)] = np.nan
        return scores

    def warm_up(self) -> None:
        """As each of its models does, whose reasons it gives."""
        super().warm_up()
        for one in self._components.models.values():
            one.warm_up()

    def contributions(
        self, user_index: int, item_index: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]] | None:
        """The components' own contributions, weighted as their scores are. See the base."""
        return self._components.contributions(self._component_weights(user_index), user_index, item_index)

    def shared_terms(self, user_index: int, item_index: npt.NDArray[np.int64], n: int = 5) -> list[list[str]] | None:
        """Those of the first component that looks at what items are. See the base."""
        return self._components.shared_terms(self._component_weights(user_index), user_index, item_index, n)

    def _artifact(self) -> Artifact:
        parts = {name: one._artifact() for name, one in self._components.models.items()}
        return replace(super()._artifact(), parts=parts)

    def _take_back(self, artifact: Artifact) -> None:
        models = {}
        for name in self.component_names:
            one = wrapper_of(artifact.parts[name])
            if not isinstance(one, RecommenderWrapper):
                raise ValueError(f"part {name!r} is the model {one.name!r}, must be a recommender")
            models[name] = one
        self._components = Components(models, self.known)
        super()._take_back(artifact)

    def _holds_out_latest(self, interactions: Interactions) -> bool:
        seconds = interactions.ratings["timestamp"].to_numpy()
        is_timed = len(seconds) < 2 or bool((seconds != seconds[0]).any())
        if self.config.hold_out == "auto":
            return is_timed and self._split.startswith(_SPLITS_BY_TIME)
        if self.config.hold_out == "latest" and not is_timed:
            raise ConfigError(f"{self.name}: hold_out == 'latest', but these ratings know no times; take 'random'")
        return bool(self.config.hold_out == "latest")

    def _untrained(self) -> dict[str, RecommenderWrapper]:
        """The components anew. Their classes are looked up once: that asks every installed package."""
        return {name: type(one)(one.config) for name, one in self._kinds.items()}
