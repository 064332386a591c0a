"""From what a user calls a model to the one version that will be served."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.errors import ConfigError, NoSuchAlias
from core.settings import Settings

if TYPE_CHECKING:
    from wrappers.base import ModelWrapper

UNREGISTERED = "unregistered"

_log = logging.getLogger(__name__)


class Source(NamedTuple):
    """What will be served.

    Attributes:
        uri: ``models:/NAME/VERSION`` or a folder; never an alias.
        version: The version's number as text; ``unregistered`` for a folder.
        wrapper: The loaded model.
    """

    uri: str
    version: str
    wrapper: ModelWrapper


def configured_uri(settings: Settings) -> str:
    """What the settings name: ``models:/NAME/VERSION`` where the stage is a number, else ``models:/NAME@ALIAS``."""
    name, stage = settings.mlflow_model_name, settings.mlflow_model_stage
    return f"models:/{name}/{stage}" if stage.isdecimal() else f"models:/{name}@{stage}"


def load_source(model_uri: str, tracking_uri: str, fallback_uri: str = "") -> Source:
    """Load a model; an alias is resolved to its version of this moment and to nothing else later.

    Args:
        model_uri: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or a folder that ``save`` wrote.
        tracking_uri: MLflow's address; not used for a folder.
        fallback_uri: Served instead where ``model_uri`` names an alias that points nowhere, as ``challenger`` does once
            it was promoted; empty: nothing is.

    Raises:
        ConfigError: The URI is none of these.
        DataError: The artifact is damaged or of a format this version does not read.
        TrackingError: MLflow cannot be reached, or has no such version or alias.
    """
    # With pandas, which a policy server, that loads no model, does not need.
    from wrappers.artifact import load_wrapper

    if not model_uri.startswith("models:/"):
        if not Path(model_uri).is_dir():
            raise ConfigError(
                f"model URI {model_uri!r}: give models:/NAME/VERSION, models:/NAME@ALIAS or a folder that exists"
            )
        return Source(model_uri, UNREGISTERED, load_wrapper(model_uri))
    # Imports MLflow when called, which a folder does not need.
    from tracking.client import connect
    from tracking.registry import download, resolve

    tracker = connect(tracking_uri)
    try:
        version = resolve(tracker, model_uri)
    except NoSuchAlias as error:
        if not fallback_uri:
            raise
        version = resolve(tracker, fallback_uri)
        _log.warning("%s; %s is served instead", error, fallback_uri)
    return Source(version.uri, version.version, load_wrapper(download(tracker, version.uri)))
