"""What a rollout was asked to do, and where in its folder everything lies."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core.errors import ConfigError
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec, parse_spec
from serving.result_documents import result_document, result_of

Plant = Literal["none", "aa", "uplift", "damage", "shuffle"]

#: A resumed rollout may be started from another folder.
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]

#: What a planted difference multiplies the challenger's session click probability by.
MULTIPLIERS: dict[Plant, float] = {"none": 1.0, "aa": 1.0, "uplift": 1.15, "damage": 0.9, "shuffle": 1.0}


class RolloutRequest(BaseModel):
    """One rollout on simulated traffic, start to finish. Its folder holds a copy, so a killed one can be resumed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: ExperimentSpec
    plant: Plant = "none"
    """What was planted on purpose."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Session i's user, time and luck derive from (seed, i)."""
    n_visitors: Annotated[int, Field(ge=1)] = 40_000
    """Simulated users."""
    connections: Annotated[int, Field(ge=1, le=512)] = 24
    """Sessions at a time."""
    deployer: str = "local"
    """Name in serving/deployers/registry.py."""
    run_dir: AbsolutePath
    """Folder of event log, state and logs; made if missing."""
    dataset: AbsolutePath
    """Folder of a prepared dataset (loaders/prepared.py); the simulated users' tastes come from it."""
    tracking_uri: str
    """MLflow's address."""
    experiment: str = "screentest"
    """MLflow experiment that the history goes to."""
    model_name: str = "recommender"
    """Registered model whose aliases follow the decision."""

    @classmethod
    def build(cls, **given: Any) -> RolloutRequest:
        """A request from plain values; ``spec`` is a document as parsed from YAML or JSON.

        Raises:
            ConfigError: One line naming each value at fault.
        """
        try:
            return cls.model_validate({**given, "spec": parse_spec(given.get("spec"))})
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in item['loc'])} == {item['input']!r}: {item['msg']}"
                for item in error.errors()
            )
            raise ConfigError(f"rollout: {problems}") from error


@dataclass(frozen=True)
class RolloutFolder:
    """Paths inside a rollout's folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def events_url(self) -> str:
        """Database URL of the event log, which also holds the rollout's state."""
        return f"sqlite:///{self.path.absolute() / 'events.db'}"

    @property
    def servers(self) -> Path:
        """Logs and port files of the servers."""
        return self.path / "servers"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def begun(self) -> bool:
        """Whether a rollout was asked for here."""
        return self._request.exists()

    def write_request(self, request: RolloutRequest) -> None:
        """Keep the request.

        Raises:
            ConfigError: The folder holds another rollout's request.
        """
        text = request.model_dump_json(indent=2) + "\n"
        if self._request.exists() and self._request.read_text(encoding="utf-8") != text:
            raise ConfigError(f"{self.path} holds another rollout already; name a new folder for this one")
        _write_whole(self._request, text)

    def read_request(self) -> RolloutRequest:
        """The request kept here.

        Raises:
            ConfigError: There is none, or it cannot be read.
        """
        try:
            document = json.loads(self._request.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self.path} holds no rollout: {self._request.name} is missing or damaged; name a demo run's folder"
            ) from error
        return RolloutRequest.build(**document)

    def write_result(self, result: RolloutResult, html: str) -> None:
        """Keep the report, then the result."""
        _write_whole(self.report, html)
        _write_whole(self._result, json.dumps(result_document(result), indent=2, allow_nan=False) + "\n")

    def read_result(self) -> RolloutResult:
        """The result kept here.

        Raises:
            ConfigError: There is none yet.
        """
        try:
            return result_of(json.loads(self._result.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{self.path} holds no finished rollout: {self._result.name} is missing or damaged; "
                f"finish it: screentest rollout resume {self.path}"
            ) from error

    @property
    def _request(self) -> Path:
        return self.path / "rollout-request.json"

    @property
    def _result(self) -> Path:
        return self.path / "rollout-result.json"


def _write_whole(target: Path, text: str) -> None:
    """All of it or nothing: a process may be killed while it writes."""
    partial = target.with_name(target.name + ".part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(target)
