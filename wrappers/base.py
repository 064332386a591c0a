"""What every model is, whatever its family: train, evaluate, load, predict, save."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigError
from core.protocols import DataLoader
from core.validation_text import Problem, in_one_line

if TYPE_CHECKING:
    from feature_repo.catalogue import FeatureLayout
    from wrappers.artifact import Artifact


class Options(BaseModel):
    """Options that are refused, each by name, where they are unknown or out of range."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, given: Mapping[str, Any] | Self | None, *, of: str) -> Self:
        """Options as a user wrote them.

        Args:
            given: Name to value; None or empty takes every default; parsed options pass through.
            of: Whose options they are, for the message, e.g. "ease".

        Raises:
            ConfigError: One line naming each option at fault, what was given and what is allowed.

        >>> EvaluationConfig.parse({"k": 0}, of="evaluation")
        Traceback (most recent call last):
        core.errors.ConfigError: evaluation: k == 0: input should be greater than or equal to 1
        """
        if isinstance(given, cls):
            return given
        try:
            return cls.model_validate(dict(given or {}))
        except ValidationError as error:
            raise ConfigError(f"{of}: {in_one_line(error, cls._problem)}") from error

    @classmethod
    def _problem(cls, problem: Problem) -> str:
        if problem.kind == "extra_forbidden":
            known = ", ".join(cls.model_fields) or "none"
            return f"unknown option {problem.name} == {problem.given!r}; known: {known}"
        message = problem.message
        return f"{problem.name} == {problem.given!r}: {message[:1].lower()}{message[1:]}"


class ModelConfig(Options):
    """A model's hyperparameters. Subclasses add fields, each with a docstring; a seed only where one is used."""


class EvaluationConfig(Options):
    """How a model is judged."""

    k: int = Field(10, ge=1, le=1000)
    """Length of a recommended list."""
    relevant_rating: float = 4.0
    """A held-out rating of at least this is relevant."""


class ModelWrapper(ABC):
    """A model behind one interface for training, evaluation, serving and storage.

    A wrapper is made with its hyperparameters, then trained; or it is loaded. A trained wrapper is not changed
    again, except by another ``train``.

    Args:
        config: Hyperparameters, parsed or as a mapping; None takes the defaults.

    Raises:
        ConfigError: A hyperparameter is unknown or not allowed.
    """

    name: ClassVar[str]
    """The name it is registered under."""
    Config: ClassVar[type[ModelConfig]] = ModelConfig
    negative_control: ClassVar[bool] = False
    """Made to lose: exempt from tests of quality, never to be preferred."""
    needs_features: ClassVar[bool] = False
    """Ranks on features of the user, which a request may carry and a model server looks up in the feature store."""
    features_version: str
    """Of a trained model that needs features: what their rows are filed under."""
    layout: FeatureLayout
    """Of one: the features, in order."""
    alias: ClassVar[str] = ""
    """What its newest version is called in the model registry beside champion and challenger, e.g. ``PolicyA``;
    empty: nothing."""
    waits: ClassVar[bool] = False
    """Its answers wait for somebody else over the network: a server awaits ``predict_async``."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Installed packages that a loaded model imports beside those that every model does."""

    def __init__(self, config: Mapping[str, Any] | ModelConfig | None = None) -> None:
        self.config: Any = self.Config.parse(config, of=self.name)

    @abstractmethod
    def train(self, data_loader: DataLoader, config: Mapping[str, Any] | ModelConfig | None = None) -> Self:
        """Learn from ``data_loader.train()``; never looks at its test part.

        Args:
            data_loader: Where the data comes from.
            config: Hyperparameters that replace those given at construction; None keeps them.

        Returns:
            This wrapper, trained.

        Raises:
            ConfigError: A hyperparameter is unknown or not allowed.
            DataError: There is nothing to learn from.
            NotApplicable: A model of this kind learns nothing; see :meth:`prepare`.
        """

    def prepare(self, data_loader: DataLoader) -> Self:
        """Make it ready to be judged, kept and served: what a pipeline's train-model step calls.

        Trained, for most models. One that learns nothing itself puts together what it is made of.

        Raises:
            ConfigError: A hyperparameter does not fit the data.
            DataError: There is nothing to learn from.
        """
        return self.train(data_loader)

    @abstractmethod
    def evaluate(self, data_loader: DataLoader, config: Mapping[str, Any] | EvaluationConfig | None = None) -> Any:
        """Judge the trained model on ``data_loader.test()``.

        Raises:
            ConfigError: An option is unknown or not allowed.
        """

    def warm_up(self) -> None:  # noqa: B027 (most models have nothing to warm up)
        """Do what only the first request would pay for, so that a server is ready when it says so."""

    @abstractmethod
    def predict(self, input_data: Any) -> Any:
        """Answer requests.

        Raises:
            BadInput: A request is not what it should be; names the request and the field.
        """

    async def predict_async(self, input_data: Any) -> Any:
        """As ``predict``, without holding up the event loop where the model ``waits``."""
        return self.predict(input_data)

    async def release(self) -> None:
        """Let go of what the running event loop holds for the model, e.g. connections; by default nothing."""
        return None

    def figures(self) -> Mapping[str, float]:
        """Counts since the process began that a server publishes beside its own, e.g. of tokens; by default none."""
        return {}

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the trained model as data (never pickle) to a folder that does not exist yet or is empty.

        Raises:
            ConfigError: The folder holds something, or the model is not trained.
        """

    @classmethod
    @abstractmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """The trained model that an artifact holds.

        Raises:
            DataError: The artifact lacks something, or its parts do not fit together.
        """

    @classmethod
    def load(cls, model_uri: str | Path) -> Self:
        """Load a trained model.

        Args:
            model_uri: A folder that ``save`` or MLflow wrote, or an MLflow address: ``models:/recommender/3``,
                ``models:/recommender@champion``, ``runs:/<run_id>/model``.

        Raises:
            DataError: The artifact is missing, damaged, or of a format this version does not read.
            ConfigError: It holds another model than this class.
            TrackingError: MLflow cannot be reached or has no such model.
        """
        # artifact.py resolves names through the registry, whose base is this class.
        from wrappers.artifact import load_wrapper
        from wrappers.location import artifact_folder

        loaded = load_wrapper(artifact_folder(model_uri))
        if not isinstance(loaded, cls):
            raise ConfigError(f"{model_uri} holds the model {loaded.name!r}, not {cls.__name__}; use ModelWrapper.load")
        return loaded
