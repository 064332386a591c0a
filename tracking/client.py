"""The way to MLflow: connect early, fail fast, and turn its errors into ours once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.errors import ConfigError, TrackingError
from core.settings import export_for_children
from core.shown import cause_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
_ALLOWED = "sqlite:///FOLDER/mlflow.db, http://HOST:PORT or https://HOST"
_CONNECT_TIMEOUT_S = 3
_ANSWER_TIMEOUT_S = 10
_LONGEST_MESSAGE = 400

#: MLflow reads these when it is imported or called. Logging: its records go where ours go, not to the terminal.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Tracker:
    """One MLflow and the experiment that runs go to.

    Attributes:
        uri: Tracking URI, absolute, so that a child process in another folder finds the same database.
        experiment_id: Where new runs go.
        client: MLflow's own client.
    """

    uri: str
    experiment_id: str
    client: MlflowClient


def database_uri(folder: Path) -> str:
    """Tracking URI of the SQLite database in a folder; its artifacts go to ``artifacts`` beside it."""
    return f"{_SQLITE}{folder.expanduser().absolute() / 'mlflow.db'}"


def connect(tracking_uri: str, *, experiment: str = "screentest", artifact_root: str = "") -> Tracker:
    """Reach MLflow, make the database and the experiment where they do not exist yet.

    A server that cannot be reached is reported after ``_CONNECT_TIMEOUT_S``; MLflow itself would try for minutes.
    Everything in this process that uses MLflow's global functions talks to this one from now on, and so do the
    processes it starts.

    Args:
        tracking_uri: A SQLite database (made with its folder if absent) or an MLflow server.
        experiment: Name of the experiment; made if absent.
        artifact_root: Where the artifacts of an experiment made now go, e.g. ``gs://bucket/mlflow``; one that exists
            keeps its own. Empty: a server's own place; of a SQLite database, ``artifacts`` beside it.

    Raises:
        ConfigError: The URI is empty, names a folder (MLflow's file store) or another kind of store, or carries a
            user name or password: MLflow takes those from ``MLFLOW_TRACKING_USERNAME`` and ``…_PASSWORD``.
        TrackingError: MLflow does not answer or refuses.
    """
    uri = _checked(tracking_uri)
    export_for_children({**_QUIET, "MLFLOW_TRACKING_URI": uri})
    artifacts = artifact_root.rstrip("/") or None
    if uri.startswith(_SQLITE):
        folder = _database_folder(uri)
        artifacts = artifacts or str(folder / "artifacts")
    else:
        _probe(uri)
    from mlflow import MlflowClient

    _limit_retries()
    use_for_process(uri)
    with mlflow_errors(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return Tracker(uri, _experiment_id(client, experiment, artifacts), client)


def import_mlflow() -> None:
    """Import MLflow now: it takes seconds, which would else be those of the first call."""
    export_for_children(_QUIET)
    import mlflow  # noqa: F401


def use_for_process(uri: str) -> None:
    """Point MLflow's global functions at a store: logging and registering a model go through them."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)


@contextmanager
def mlflow_errors(uri: str) -> Iterator[None]:
    """Raise what MLflow, its database or the network raise as one TrackingError of one line."""
    try:
        yield
    except _refusals() as error:
        message = " ".join(str(error).split())
        raise TrackingError(f"MLflow at {shown(uri)} refused: {message[:_LONGEST_MESSAGE]}") from error


def _refusals() -> tuple[type[Exception], ...]:
    """What MLflow, its database, the network and a bucket of artifacts raise; imported once something is raised."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, RequestException, SQLAlchemyError, GoogleAPIError, GoogleAuthError


def shown(uri: str) -> str:
    """The URI without user name and password, for messages and logs.

    >>> shown("https://me:secret@mlflow.example.org/x")
    'https://mlflow.example.org/x'
    """
    host = urlsplit(uri).netloc
    return uri.replace(host, host.rpartition("@")[2], 1) if "@" in host else uri


def _checked(tracking_uri: str) -> str:
    scheme = urlsplit(tracking_uri).scheme
    if scheme in ("http", "https"):
        if shown(tracking_uri) != tracking_uri:
            # It is written into run folders and passed to child processes, where others can read it.
            raise ConfigError(
                f"MLflow tracking URI {shown(tracking_uri)!r} was given with a user name or password in it; set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead, and leave them out of the URI"
            )
        return tracking_uri.rstrip("/")
    if not tracking_uri:
        raise ConfigError(f"no MLflow is named; set MLFLOW_TRACKING_URI to {_ALLOWED}")
    if scheme in ("", "file"):
        raise ConfigError(
            f"MLflow tracking URI {tracking_uri!r} names a folder, and MLflow's file store is not supported; "
            f"give {_ALLOWED} (MLFLOW_TRACKING_URI)"
        )
    if not tracking_uri.startswith(_SQLITE) or tracking_uri == _SQLITE:
        raise ConfigError(
            f"MLflow tracking URI {shown(tracking_uri)!r} is not one we can use directly; give {_ALLOWED} "
            "(for another database, put an MLflow server before it)"
        )
    return _SQLITE + str(Path(tracking_uri.removeprefix(_SQLITE)).expanduser().absolute())


def _database_folder(uri: str) -> Path:
    folder = Path(uri.removeprefix(_SQLITE)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"MLflow's database folder {folder} cannot be made: {error.strerror}") from error
    return folder


def _probe(uri: str) -> None:
    """Any answer will do: whether it is MLflow's shows at the first real call."""
    import requests

    try:
        requests.get(f"{uri}/health", timeout=(_CONNECT_TIMEOUT_S, _ANSWER_TIMEOUT_S))
    except requests.exceptions.RequestException as error:
        raise TrackingError(
            f"MLflow at {shown(uri)} cannot be reached: {cause_of(error)}; start it, or set MLFLOW_TRACKING_URI"
        ) from error


def _limit_retries() -> None:
    """A server that is ill is given up after seconds, unless the user asked MLflow for something else."""
    from mlflow import environment_variables as variables

    for variable, value in (
        (variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES, 2),
        (variables.MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR, 1),
        (variables.MLFLOW_HTTP_REQUEST_TIMEOUT, 30),
    ):
        if not variable.is_set():
            variable.set(value)


def _experiment_id(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location))
        except MlflowException as error:
            # Another process may have made it in between.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"MLflow experiment {name!r} was deleted; restore it in MLflow or choose another MLFLOW_EXPERIMENT_NAME"
        )
    return str(found.experiment_id)
