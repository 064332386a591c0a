"""What a rollout was asked to do, and where in its folder everything lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import ConfigError
from core.files import write_whole
from core.settings import Settings, load_settings
from core.validation_text import in_one_line
from events.dialects import database_url, log_name
from experiments.result import RolloutResult
from experiments.spec import ExperimentSpec, parse_spec
from serving.result_documents import result_document, result_of

Plant = Literal["none", "aa", "uplift", "damage", "shuffle"]

#: A resumed rollout may be started from another folder.
AbsolutePath = Annotated[Path, AfterValidator(Path.absolute)]

#: What a planted difference multiplies the challenger's session click probability by.
MULTIPLIERS: dict[Plant, float] = {"none": 1.0, "aa": 1.0, "uplift": 1.15, "damage": 0.9, "shuffle": 1.0}


class RolloutRequest(BaseModel):
    """One rollout, start to finish. Its folder holds a copy, so a killed one can be resumed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: ExperimentSpec
    plant: Plant = "none"
    """What was planted on purpose."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Session i's user, time and luck derive from (seed, i)."""
    n_visitors: Annotated[int, Field(ge=0)] = 40_000
    """Simulated users; 0: the traffic comes from elsewhere, and the rollout only watches it."""
    connections: Annotated[int, Field(ge=1, le=512)] = 24
    """Sessions at a time."""
    k: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Length of the lists that visitors see; None: the setting of the day the rollout begins."""
    model_timeout_s: Annotated[float, Field(gt=0)] | None = None
    """A model server that has not answered after this counts as an error; None likewise."""
    deployer: str = "local"
    """Name in serving/deployers/registry.py."""
    servers: dict[str, str] = {}
    """Variant to the address of a model server that runs already; for the deployer ``standing``."""
    policy_url: str = ""
    """Address of a policy server that runs already, on the same event database; empty: one of the rollout's own."""
    settle_s: Annotated[float, Field(ge=0)] = 0.0
    """How long a look waits, once its sessions are there, for what becomes of the last ones."""
    run_dir: AbsolutePath
    """Folder of event log, state and logs; made if missing."""
    dataset: AbsolutePath | None = None
    """Folder of a prepared dataset (loaders/prepared.py); the simulated users' tastes come from it."""
    tracking_uri: str
    """MLflow's address."""
    experiment: str = "screentest"
    """MLflow experiment that the history goes to."""
    model_name: str = "recommender"
    """Registered model whose aliases follow the decision."""

    @model_validator(mode="after")
    def _visitors_have_tastes(self) -> Self:
        if self.n_visitors and self.dataset is None:
            raise ValueError("n_visitors: simulated users need a dataset; name one, or set n_visitors to 0")
        return self

    @property
    def simulated(self) -> bool:
        """Whether the rollout drives its own traffic."""
        return self.n_visitors > 0

    @classmethod
    def build(cls, **given: Any) -> RolloutRequest:
        """A request from plain values; ``spec`` is a document as parsed from YAML or JSON.

        Raises:
            ConfigError: One line naming each value at fault.
        """
        try:
            return cls.model_validate({**given, "spec": parse_spec(given.get("spec"))})
        except ValidationError as error:
            raise ConfigError(f"rollout: {in_one_line(error)}") from error


@dataclass(frozen=True)
class RolloutFolder:
    """Paths inside a rollout's folder.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def events_url(self) -> str:
        """Database URL of the event log, which also holds the rollout's state; it may hold a password.

        The setting's; without one, or where the rollout began without one, a SQLite file of the folder's own.
        """
        own = self.path.absolute() / "events.db"
        shared = load_settings().events_url.get_secret_value()
        return shared if shared and not own.exists() else f"sqlite:///{own}"

    @property
    def events_name(self) -> str:
        """The event log in messages."""
        return log_name(database_url(self.events_url))

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

    def keep_request(self, request: RolloutRequest, settings: Settings) -> RolloutRequest:
        """Keep the request with what it leaves to the settings filled in, so that a resume cannot differ from it.

        Args:
            request: What is to be run.
            settings: The settings in force; of no effect on what the folder's request says already.

        Returns:
            The request as kept.

        Raises:
            ConfigError: The folder holds another rollout's request.
        """
        kept = self.read_request() if self.begun else None
        left_open = {
            name: value if kept is None or getattr(kept, name) is None else getattr(kept, name)
            for name, value in (("k", settings.k), ("model_timeout_s", settings.model_timeout_s))
        }
        whole = _filled(request, left_open)
        # A request written before these were recorded leaves them open as well.
        if kept is not None and _filled(kept, left_open) != whole:
            raise ConfigError(f"{self.path} holds another rollout already; name a new folder for this one")
        write_whole(self._request, whole.model_dump_json(indent=2) + "\n")
        return whole

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
        write_whole(self.report, html)
        write_whole(self._result, json.dumps(result_document(result), indent=2, allow_nan=False) + "\n")

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


def _filled(request: RolloutRequest, values: Mapping[str, float]) -> RolloutRequest:
    """The request with the values it leaves open."""
    return request.model_copy(update={name: value for name, value in values.items() if getattr(request, name) is None})
