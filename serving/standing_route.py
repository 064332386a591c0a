"""The route of a time without a rollout: everyone to the champion, its rival known for previews alone."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from sqlalchemy import Engine

from core.errors import ConfigError, ServerError
from core.shown import cause_of
from events.experiments import list_experiments
from events.rollouts import Route, current_route, list_rollouts
from experiments.spec import parse_spec
from serving.model_source import UNREGISTERED


class ServedVersion(NamedTuple):
    """A registered version behind a model server.

    Attributes:
        url: The server's base address.
        uri: The pinned version, ``models:/recommender/3``.
        version: Its number, as the server answers it.
    """

    url: str
    uri: str
    version: str


def everyone_to_the_champion(experiment: str, champion: ServedVersion, rival: ServedVersion | None) -> Route:
    """A route that sends everyone to the champion.

    Args:
        experiment: Name that exposures are logged under.
        champion: Whose lists everyone gets.
        rival: Shown beside it in previews; None: nobody.
    """
    spec = parse_spec(
        {"name": experiment, "variants": {"champion": champion.uri, "challenger": (rival or champion).uri}}
    )
    return Route(
        experiment=experiment,
        spec=spec.document(),
        percent=0,
        step_index=0,
        champion_url=champion.url,
        champion_version=champion.version,
        challenger_url=rival.url if rival else None,
        challenger_version=rival.version if rival else None,
    )


def route_to_keep(engine: Engine, champion: ServedVersion, timeout_s: float) -> Route | None:
    """The route in force, if it is not to make way for everyone to the champion when a stack comes up again.

    That is so while a rollout or an experiment has the traffic, and where a rollout promoted another version whose
    server still answers: the champion's own was started before that, and serves the version that lost.

    Args:
        engine: The event database.
        champion: Whose lists everyone would get.
        timeout_s: No answer after this: a server is down.

    Raises:
        EventLogError: The database refused.
    """
    standing = current_route(engine)
    if standing is None:
        return None
    if _somebody_has_the_traffic(engine):
        return standing
    if standing.champion_version == champion.version:
        return None
    try:
        answering = _version(standing.champion_url, _readiness(standing.champion_url, timeout_s))
    except ServerError:
        return None
    return standing if answering == standing.champion_version else None


def _somebody_has_the_traffic(engine: Engine) -> bool:
    return any(record.state != "done" for record in list_rollouts(engine)) or any(
        experiment.state == "running" for experiment in list_experiments(engine)
    )


def ask_what_is_served(url: str, model_name: str, timeout_s: float) -> ServedVersion:
    """Which version a model server serves, as it says itself.

    Args:
        url: ``http://host:port``.
        model_name: The registered model that its versions are of.
        timeout_s: No answer after this: it is down.

    Raises:
        ConfigError: The address is none, or the server serves a folder.
        ServerError: It is down, not ready, or no model server.
    """
    url = _address(url)
    version = _version(url, _readiness(url, timeout_s))
    if version == UNREGISTERED:
        raise ConfigError(f"model server {url} serves a folder; a route names versions of MLflow's registry")
    return ServedVersion(url, f"models:/{model_name}/{version}", version)


def _address(url: str) -> str:
    """A server's address without anything that is none, such as a password, which everybody who may read would see."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0))
    except ValueError:
        whole = False
    if not whole or "@" in parts.netloc or parts.query or parts.fragment or not url.isascii() or not url.isprintable():
        shown = url.rpartition("@")[2][:80]
        raise ConfigError(
            f"model server {shown!r}: give its address, e.g. http://recommender-predictor, without user name, "
            "password, query or fragment"
        )
    return url.rstrip("/")


def _readiness(url: str, timeout_s: float) -> Any:
    with requests.Session() as session:
        # A proxy that the environment names is for the world outside.
        session.trust_env = False
        try:
            # Not where it is sent on to: an address that was allowed must not lead to one that nobody named.
            answer = session.get(f"{url}/readyz", timeout=timeout_s, allow_redirects=False)
            if answer.status_code != 200:
                raise ServerError(f"model server {url} is not ready: HTTP {answer.status_code}")
            return answer.json()
        except requests.JSONDecodeError as error:
            raise ServerError(f"{url}/readyz answered no JSON, so {url} is no model server") from error
        except requests.RequestException as error:
            raise ServerError(
                f"model server {url} cannot be reached: {cause_of(error)}; start it, or name another address"
            ) from error


def _version(url: str, document: Any) -> str:
    try:
        return str(document["model_version"])
    except (KeyError, TypeError) as error:
        raise ServerError(f"{url}/readyz names no model_version, so {url} is no model server") from error
