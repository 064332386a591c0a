"""The model registry: versions of one registered model, and the aliases that say what they are for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import ConfigError, NoSuchAlias, TrackingError
from core.settings import STAGES
from tracking.client import Tracker, mlflow_errors, use_for_process
from tracking.models import artifact_folder, model_uri_of

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
#: Version tag: registered name of the wrapper, e.g. "ease".
MODEL_KIND = "screentest.model"

_MODEL_URI = re.compile(r"^models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<word>[^/@]+))$")


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: The registered model, e.g. "recommender".
        version: Its number, as text.
        run_id: The run that trained it.
        model: The wrapper's registered name, e.g. "ease"; empty where the version was not made here.
        aliases: What it is for at the moment, e.g. ("champion",).
        tags: Tags of the version.
    """

    name: str
    version: str
    run_id: str
    model: str
    aliases: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """Pinned: names this version for ever, whatever the aliases do."""
        return pinned_uri(self.name, self.version)


@dataclass(frozen=True)
class Candidate:
    """A trained model that is to become a version.

    Attributes:
        run_id: The run that trained it.
        model: The wrapper's registered name.
        tags: Further tags of the version.
    """

    run_id: str
    model: str
    tags: dict[str, str] = field(default_factory=dict)


def pinned_uri(name: str, version: str) -> str:
    """``models:/recommender/3``."""
    return f"models:/{name}/{version}"


def register_version(tracker: Tracker, name: str, candidate: Candidate) -> ModelVersion:
    """Make one candidate a version, without an alias; the version it has, where it has one.

    Raises:
        TrackingError: The run has no model, or MLflow refused.
    """
    return register_all(tracker, name, [candidate])[0]


def register_all(
    tracker: Tracker, name: str, candidates: Sequence[Candidate], aliases: Mapping[str, str] | None = None
) -> list[ModelVersion]:
    """Make every candidate a version, then move the aliases; all of it or nothing.

    When anything fails or the process is interrupted, the versions made so far are deleted and the aliases put back.
    A candidate whose run has a version already keeps that one, so that a repeated call changes nothing.

    Args:
        tracker: Where to.
        name: The registered model; made if absent.
        candidates: Trained models, each from a run of its own.
        aliases: Alias to the run_id of the candidate it shall point to; None: aliases stay as they are.

    Returns:
        The versions in the order of the candidates, with the aliases they have now.

    Raises:
        ValueError: An alias names a run that is no candidate.
        TrackingError: MLflow refused; the message names the candidate or alias that failed.
    """
    aliases = aliases or {}
    strangers = set(aliases.values()) - {candidate.run_id for candidate in candidates}
    if strangers:
        raise ValueError(f"aliases name runs {sorted(strangers)}, must name candidates")
    _ensure_registered(tracker, name)
    left_over: list[str] = []
    try:
        with ExitStack() as undo:
            versions = _create_all(tracker, name, candidates, undo, left_over)
            _move_all(tracker, name, {alias: versions[run_id] for alias, run_id in aliases.items()}, undo, left_over)
            undo.pop_all()
    except TrackingError as error:
        rest = f"; could not be undone: {', '.join(left_over)}" if left_over else "; nothing was changed"
        raise TrackingError(f"{error}{rest}") from error
    now = {version.version: version for version in list_versions(tracker, name)}
    return [now[versions[candidate.run_id]] for candidate in candidates]


def promote(tracker: Tracker, name: str, version: str) -> ModelVersion:
    """Make a version the champion: the old one gets the alias ``previous``, the alias ``challenger`` is dropped.

    Safe to repeat after it was interrupted anywhere: ``previous`` is set first and ``challenger`` dropped last.

    Args:
        tracker: Where to.
        name: The registered model.
        version: Its version's number.

    Returns:
        The version with the aliases it has now.

    Raises:
        TrackingError: There is no such version, or MLflow refused.
    """
    aliases = _aliases(tracker, name)
    old = aliases.get(CHAMPION)
    if old != version:
        if old is not None:
            set_alias(tracker, name, PREVIOUS, old)
        set_alias(tracker, name, CHAMPION, version)
    if aliases.get(CHALLENGER) == version:
        drop_alias(tracker, name, CHALLENGER)
    return _pinned(tracker, name, version)


def set_alias(tracker: Tracker, name: str, alias: str, version: str) -> None:
    """Point an alias at a version, wherever it pointed before.

    Raises:
        TrackingError: There is no such version, or MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.set_registered_model_alias(name, alias, version)


def drop_alias(tracker: Tracker, name: str, alias: str) -> None:
    """Remove an alias; one that does not exist is no error.

    Raises:
        TrackingError: There is no such registered model, or MLflow refused.
    """
    with mlflow_errors(tracker.uri):
        tracker.client.delete_registered_model_alias(name, alias)


def version_for(tracker: Tracker, name: str, alias: str = CHAMPION) -> ModelVersion | None:
    """The version an alias points to.

    Args:
        tracker: Where to look.
        name: The registered model.
        alias: An alias, or one of MLflow's old stages ("Production" is ``champion``, "Staging" ``challenger``).

    Returns:
        The version; None where the alias or the registered model does not exist.

    Raises:
        TrackingError: MLflow refused.
    """
    version = _aliases(tracker, name).get(STAGES.get(alias.lower(), alias))
    return None if version is None else _pinned(tracker, name, version)


def resolve(tracker: Tracker, uri: str) -> ModelVersion:
    """The version that a model URI names now.

    Args:
        tracker: Where to look.
        uri: ``models:/recommender/3``, ``models:/recommender@champion`` or, with one of MLflow's old stages,
            ``models:/recommender/Production``.

    Raises:
        ConfigError: The URI is none of these.
        NoSuchAlias: The alias points to no version.
        TrackingError: There is no such version, or MLflow refused.
    """
    match = _MODEL_URI.match(uri)
    word = "" if match is None else match["word"] or ""
    if match is None or (word and not word.isdecimal() and word.lower() not in STAGES):
        raise ConfigError(
            f"model URI {uri!r}, must be models:/NAME/VERSION or models:/NAME@ALIAS, e.g. models:/recommender@champion"
        )
    if word.isdecimal():
        return _known(tracker, match["name"], str(int(word)))
    alias = match["alias"] or word
    found = version_for(tracker, match["name"], alias)
    if found is None:
        known = ", ".join(sorted(_aliases(tracker, match["name"]))) or "none"
        raise NoSuchAlias(f"{uri}: model {match['name']!r} has no alias {alias!r}; it has: {known}")
    return found


def list_versions(tracker: Tracker, name: str) -> list[ModelVersion]:
    """Every version of a registered model with its aliases, newest first; empty where the model does not exist.

    Raises:
        TrackingError: MLflow refused.
    """
    found: list[Any] = []
    token: str | None = None
    with mlflow_errors(tracker.uri):
        while True:
            page = tracker.client.search_model_versions(f"name = '{name}'", page_token=token)
            found += page
            token = page.token
            if not token:
                break
    aliases = _aliases(tracker, name)
    return [_version(row, aliases) for row in sorted(found, key=lambda row: int(row.version), reverse=True)]


def download(tracker: Tracker, uri: str, into: Path | None = None) -> Path:
    """The artifact folder of a model, as its wrapper saved it; nothing in it is run.

    Args:
        tracker: Where to look.
        uri: As ``resolve`` takes it.
        into: Existing folder to copy to; None: the store's own folder where it is local (read it only), else a new
            temporary one.

    Raises:
        ConfigError: The URI is no model URI.
        TrackingError: There is no such version, its artifact is gone or was not made here, or MLflow refused.
    """
    version = resolve(tracker, uri)
    with mlflow_errors(tracker.uri):
        source = tracker.client.get_model_version_download_uri(version.name, version.version)
    return artifact_folder(tracker, source, of=version.uri, into=into)


def _create_all(
    tracker: Tracker, name: str, candidates: Sequence[Candidate], undo: ExitStack, left_over: list[str]
) -> dict[str, str]:
    """Run id to version number; what it makes, ``undo`` deletes again."""
    versions = {version.run_id: version.version for version in list_versions(tracker, name)}
    for candidate in candidates:
        if candidate.run_id not in versions:
            versions[candidate.run_id] = _create(tracker, name, candidate)
            undo.callback(_delete, tracker, name, versions[candidate.run_id], left_over)
    return versions


def _move_all(tracker: Tracker, name: str, aliases: Mapping[str, str], undo: ExitStack, left_over: list[str]) -> None:
    """Point each alias at its version; ``undo`` points it back."""
    before = _aliases(tracker, name)
    for alias, version in aliases.items():
        undo.callback(_put_back, tracker, name, alias, before.get(alias), left_over)
        try:
            set_alias(tracker, name, alias, version)
        except TrackingError as error:
            raise TrackingError(f"alias {alias!r} could not be set to version {version}: {error}") from error


def _create(tracker: Tracker, name: str, candidate: Candidate) -> str:
    try:
        source = model_uri_of(tracker, candidate.run_id)
        # The store looks the source up through MLflow's global functions.
        use_for_process(tracker.uri)
        with mlflow_errors(tracker.uri):
            made = tracker.client.create_model_version(
                name,
                source,
                run_id=candidate.run_id,
                tags={MODEL_KIND: candidate.model, **candidate.tags},
                model_id=source.removeprefix("models:/"),
            )
    except TrackingError as error:
        raise TrackingError(f"model {candidate.model!r} could not be registered: {error}") from error
    return str(made.version)


def _delete(tracker: Tracker, name: str, version: str, left_over: list[str]) -> None:
    try:
        with mlflow_errors(tracker.uri):
            tracker.client.delete_model_version(name, version)
    except TrackingError:
        left_over.append(f"version {version}")


def _put_back(tracker: Tracker, name: str, alias: str, version: str | None, left_over: list[str]) -> None:
    try:
        if version is None:
            drop_alias(tracker, name, alias)
        else:
            set_alias(tracker, name, alias, version)
    except TrackingError:
        left_over.append(f"alias {alias}")


def _ensure_registered(tracker: Tracker, name: str) -> None:
    from mlflow.exceptions import MlflowException

    with mlflow_errors(tracker.uri):
        try:
            tracker.client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _aliases(tracker: Tracker, name: str) -> dict[str, str]:
    """Alias to version number; empty where there is no such registered model."""
    from mlflow.exceptions import MlflowException

    with mlflow_errors(tracker.uri):
        try:
            found = tracker.client.get_registered_model(name).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
    return {alias: str(version) for alias, version in found.items()}


def _known(tracker: Tracker, name: str, version: str) -> ModelVersion:
    """The version; if there is none, the error says which there are."""
    try:
        return _pinned(tracker, name, version)
    except TrackingError as error:
        missing = getattr(error.__cause__, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
        versions = list_versions(tracker, name) if missing else []
        if versions:
            known = ", ".join(found.version for found in reversed(versions[:10]))
            raise TrackingError(f"model {name!r} has no version {version!r}; its newest are: {known}") from error
        raise


def _pinned(tracker: Tracker, name: str, version: str) -> ModelVersion:
    with mlflow_errors(tracker.uri):
        row = tracker.client.get_model_version(name, version)
    return _version(row, _aliases(tracker, name))


def _version(row: Any, aliases: Mapping[str, str]) -> ModelVersion:
    number = str(row.version)
    tags = dict(row.tags)
    return ModelVersion(
        name=row.name,
        version=number,
        run_id=row.run_id or "",
        model=tags.get(MODEL_KIND, ""),
        aliases=tuple(sorted(alias for alias, version in aliases.items() if version == number)),
        tags=tags,
    )
