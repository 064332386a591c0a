"""All settings, and the only reader of the environment.

Order of precedence: arguments > environment > ``config.yaml`` in the working folder > defaults below. Secrets
come from the environment only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)
from yaml import YAMLError

from core.errors import ConfigError
from core.validation_text import in_one_line

#: Whoever looks into what happened finds out late: nothing younger leaves the audit log.
FEWEST_AUDIT_DAYS = 90
#: MLflow's old stages, mapped to the aliases that replaced them.
STAGES = {"production": "champion", "staging": "challenger"}


def _name(name: str) -> Any:
    """A setting known in the environment by a name of its own, not by ``SCREENTEST_…``."""
    return AliasChoices(name, name.lower())


class ValidationThresholds(BaseModel):
    """What data must be like at the least; a data set beyond a threshold is refused with the figure and the limit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_ratings: int = Field(default=1, ge=1)
    min_users: int = Field(default=1, ge=1)
    min_items: int = Field(default=1, ge=1)
    max_quarantined_share: float = Field(default=0.05, ge=0, le=1)
    """Share of the lines of a file that may be set aside."""
    max_duplicate_share: float = Field(default=0.01, ge=0, le=1)
    """Share of ratings that repeat a (user, item) pair."""
    max_unknown_item_share: float = Field(default=0.05, ge=0, le=1)
    """Share of ratings of items that the item table lacks, where there is one."""


class KServeSettings(BaseModel):
    """How model servers run on a Kubernetes cluster with KServe; read by the ``kserve`` deployer alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: str = ""
    """The project's image where the cluster can pull it, by tag or digest. The deployer needs one."""
    namespace: str = "default"
    kubeconfig: str = ""
    """Empty: the pod's service account in a cluster; elsewhere $KUBECONFIG or ~/.kube/config."""
    context: str = ""
    """Empty: the kubeconfig's current one."""
    secret: str = ""
    """A Secret of that namespace whose keys become the servers' environment: ``REDIS_URL``,
    ``MLFLOW_TRACKING_USERNAME`` and ``…_PASSWORD``, or ``MLFLOW_TRACKING_URI`` where the address holds a password."""
    service_account: str = ""
    """Of the model servers, e.g. one that may read the artifacts' bucket; empty: the namespace's default one."""
    visibility: Literal["cluster-local", "external"] = "cluster-local"
    """Whether the servers, which ask nobody for a key, are reached from inside the cluster only."""
    cpu: str = "1"
    memory: str = "2Gi"
    """Requested and at most, for each server."""
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=4, ge=1)
    start_timeout_s: float = Field(default=600.0, gt=0)
    """How long a revision may take, the pull of its image included."""


class Settings(BaseSettings):
    """Every option, with its default. ``config.yaml`` and ``.env.example`` list them for the user."""

    model_config = SettingsConfigDict(
        env_prefix="SCREENTEST_", yaml_file="config.yaml", extra="forbid", populate_by_name=True
    )

    mlflow_tracking_uri: str = Field("", validation_alias=_name("MLFLOW_TRACKING_URI"))
    """Empty: a SQLite database in the run's own folder."""
    mlflow_model_name: str = Field("recommender", validation_alias=_name("MLFLOW_MODEL_NAME"))
    mlflow_model_stage: str = Field("champion", validation_alias=_name("MLFLOW_MODEL_STAGE"))
    """What to serve of it: an alias, the number of a version, or ``Production`` and ``Staging``, which are understood
    as ``champion`` and ``challenger``."""
    mlflow_experiment_name: str = Field("screentest", validation_alias=_name("MLFLOW_EXPERIMENT_NAME"))

    data_loader_type: str = Field("local", validation_alias=_name("DATA_LOADER_TYPE"))
    data_source_path: str = Field("", validation_alias=_name("DATA_SOURCE_PATH"))
    """Folder or zip of a MovieLens layout. Empty: a cached MovieLens, else synthetic ratings."""

    data_columns: dict[str, str] = {}
    """Our names to the file's, for the columns of a CSV, Parquet or JSON file: ``{user_id: uid, rating: stars}``."""
    data_sha256: str = ""
    """Expected hash of a downloaded file; empty: not checked."""
    validation: ValidationThresholds = Field(default_factory=ValidationThresholds)
    quarantine: bool = False
    """Set bad lines aside (an artifact of get-data) instead of refusing the data at the first."""

    cache_dir: Path = Path("~/.cache/screentest")
    """Where a MovieLens that should be found without ``DATA`` lies."""
    runs_dir: Path = Path("runs")
    """Each demo run gets a folder of its own in here."""

    split: Literal[
        "random_per_user", "stratified", "leave_last_n", "temporal", "kfold", "kfold_per_user", "ms75", "full811"
    ] = "random_per_user"
    split_n: int = Field(10, ge=1)
    """leave_last_n: ratings held out per user."""
    split_test_fraction: float = Field(0.2, gt=0, lt=1)
    """random_per_user, stratified: share of each user's ratings held out; temporal: of all ratings, the latest."""
    split_folds: int = Field(5, ge=2)
    """kfold, kfold_per_user: parts of equal size."""
    split_fold: int = Field(0, ge=0)
    """kfold, kfold_per_user: number of the part that is held out, below split_folds."""

    k: int = Field(10, ge=1, le=1000)
    """Length of a recommended list."""
    relevant_rating: float = 4.0
    """A held-out rating of at least this is relevant."""
    gate_metric: Literal["ndcg", "recall", "precision", "map", "mrr", "hit_rate"] = "ndcg"
    gate_threshold: float = Field(0.01, ge=0)
    """A challenger's gate_metric@k must reach this and beat the champion's."""

    redis_url: SecretStr = Field(SecretStr(""), validation_alias=_name("REDIS_URL"))
    """``redis://[:password@]host:port/db``, where features are served from. Empty: an embedded Redis of the run."""
    events_url: SecretStr = SecretStr("")
    """Event database of rollouts and their policy servers, ``postgresql+psycopg://user:password@host/database`` or
    ``sqlite:////absolute/path.db``. Empty: a SQLite file in each run's own folder."""
    events_retention_days: int = Field(0, ge=0)
    """`screentest worker` moves days of the event log older than so many to Parquet files; 0: all of it stays."""
    events_archive_dir: Path = Path("archive")
    """Where it puts them: exposures/date=…, outcomes/date=…"""
    audit_retention_days: int = Field(0, ge=0)
    """It moves days of the audit log older than so many there too, audit_log/date=…; at least 90. 0: all stays."""
    feature_snapshot_days: int = Field(30, ge=1)
    """Features are computed as they were at the end of every so many days."""
    feature_timeout_ms: float = Field(50.0, gt=0)
    """A Redis that has not answered after this counts as down; the default features are used."""

    recommendation_cache_s: float = Field(0.0, ge=0)
    """How long ``/recommendations`` gives a user the same list from Redis, until she does something; 0: never."""

    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias=_name("OPENAI_API_KEY"))
    """Of the endpoint that chat models are asked at; empty where it needs none."""
    openai_base_url: str = Field("", validation_alias=_name("OPENAI_BASE_URL"))
    """Any OpenAI-compatible endpoint, e.g. ``http://localhost:11434/v1``. Empty: OpenAI's own, where a key is set."""
    chat_model: str = "gpt-4o-mini"
    """Name of the chat model there, for models that do not name one."""

    artifact_root: str = ""
    """Where a new MLflow experiment keeps its artifacts, e.g. ``gs://bucket/mlflow``; empty: beside its database."""
    pipeline_root: str = ""
    """Where a cluster's KFP keeps its artifacts, e.g. ``gs://bucket/kfp``; empty: the cluster's own default."""

    deployer: str = "local"
    """Where model servers run: ``local`` (processes of this machine), ``kserve``; see serving/deployers/registry.py."""
    kserve: KServeSettings = Field(default_factory=KServeSettings)

    log_format: Literal["text", "json"] = "text"
    """Of what servers say on standard error: lines for people, or one JSON object a line."""
    access: Literal["", "open", "keys"] = ""
    """Whether the policy server asks for API keys (SECURITY.md). Empty: where other machines reach it, not on a
    loopback address; ``open``: nowhere, ``keys``: everywhere."""
    api_key: SecretStr = SecretStr("")
    """What the clients in here (simulated users, controller, review page) send to a policy server that asks."""
    cors_origins: list[str] = []
    """Origins whose web pages may use the policy server, e.g. ``[https://shop.example]``; none by default."""

    host: str = "127.0.0.1"
    mlflow_port: int = Field(5000, ge=0, le=65535)
    policy_port: int = Field(8080, ge=0, le=65535)
    """Ports of ``screentest up``; 0 takes any free one. The demo always takes free ones."""
    app_port: int = Field(8501, ge=0, le=65535)
    """Port of the review page."""
    server_start_timeout_s: float = Field(60.0, gt=0)
    model_timeout_s: float = Field(2.0, gt=0)
    """A model server that has not answered after this counts as an error."""
    choose_deadline_ms: float | None = Field(None, gt=0)
    """What a list may take, whoever fails meanwhile. None: model_timeout_s and half a second for what stands in."""
    connections: int = Field(24, ge=1, le=512)
    """Concurrent simulated sessions."""

    @property
    def choose_deadline_s(self) -> float:
        """``choose_deadline_ms`` in seconds, whatever it was set to or left at."""
        return self.model_timeout_s + 0.5 if self.choose_deadline_ms is None else self.choose_deadline_ms / 1000

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """As pydantic's; of addresses without what may be a password in them: user, and query."""
        for name, value in super().__repr_args__():
            yield name, _without_secrets(value) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_exact(cls, value: list[str]) -> list[str]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
                raise ValueError(f"{origin!r} is no origin; give scheme://host[:port] exactly, without a path or *")
        return value

    @field_validator("audit_retention_days")
    @classmethod
    def _audit_log_lasts(cls, value: int) -> int:
        if 0 < value < FEWEST_AUDIT_DAYS:
            raise ValueError(f"must be at least {FEWEST_AUDIT_DAYS}, or 0: all of it stays")
        return value

    @field_validator("mlflow_model_stage")
    @classmethod
    def _stage_is_an_alias(cls, value: str) -> str:
        return STAGES.get(value.lower(), value)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of precedence, first wins; a secret in the file is refused."""
        file = YamlConfigSettingsSource(settings_cls)
        secrets = {
            name: name.upper() if field.validation_alias else f"SCREENTEST_{name.upper()}"
            for name, field in settings_cls.model_fields.items()
            if field.annotation is SecretStr
        }
        for name, variable in secrets.items():
            if file.yaml_data.get(name):
                raise ConfigError(f"config.yaml: {name} may hold a password; set {variable} in the environment")
        return init_settings, env_settings, file


def _without_secrets(address: str) -> str:
    return re.sub(r"(://[^?]*)\?.*", r"\1?***", re.sub(r"://[^/?#]*@", "://***@", address))


def load_settings(**given: Any) -> Settings:
    """Read the settings.

    Args:
        given: Settings that override environment and file; None means "not given".

    Raises:
        ConfigError: A value is not allowed; one line names each.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(f"settings: {in_one_line(error)} (see config.yaml and .env.example)") from error
    except SettingsError as error:
        # Of the environment only: config.yaml is YAML throughout.
        reason = " ".join(str(error).split())
        raise ConfigError(
            f'environment: {reason}; it must be JSON, e.g. SCREENTEST_DATA_COLUMNS=\'{{"user_id": "customer"}}\''
        ) from error
    except (YAMLError, UnicodeDecodeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"config.yaml cannot be read ({reason}); it must be UTF-8 YAML of the form `option: value`"
        ) from error


def export_for_children(values: dict[str, str]) -> None:
    """Put settings into the environment of every process started from here on (pipeline steps, servers)."""
    os.environ.update(values)


@contextmanager
def exported(values: Mapping[str, str]) -> Iterator[None]:
    """Like :func:`export_for_children`, for the length of a block; what stood there before comes back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        _restore(before)


@contextmanager
def kept(names: Iterable[str]) -> Iterator[None]:
    """Take back whatever the block (an import of somebody else's, say) does to these names of the environment."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        _restore(before)


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A copy of this process's environment for one child, with additions; this process's own is left alone."""
    return {**os.environ, **(extra or {})}


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
