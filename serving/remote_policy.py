"""A policy server that somebody else runs, as far as a rollout needs it."""

from __future__ import annotations

import requests
from pydantic import SecretStr

from core.api_key import authorization
from core.errors import ConfigError, ServerError
from core.settings import load_settings
from core.shown import cause_of
from serving.processes import poll

_TIMEOUT_S = 10.0


class RemotePolicy:
    """The policy server at an address; see ``PolicyProcess`` for one of this process's own.

    Args:
        url: ``http://host:port``.
        api_key: What it asks for; None: the setting api_key.

    Raises:
        ConfigError: That is no address.
    """

    def __init__(self, url: str, api_key: SecretStr | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"policy server {url!r}: give its address, e.g. http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self.api_key = load_settings().api_key if api_key is None else api_key

    def wait_alive(self, timeout_s: float) -> None:
        """Return once it answers.

        Raises:
            ServerError: It does not in time.
        """
        if not poll(self._alive, timeout_s):
            raise ServerError(f"policy server {self.url} does not answer")

    def refresh(self, experiment: str) -> int:
        """Make it read its route again.

        Args:
            experiment: Whose route the database holds. Revisions alone could be those of another database.

        Returns:
            The revision now in force.

        Raises:
            ServerError: It did not answer, or nonsense, or it obeys another experiment: it reads another database.
        """
        try:
            answer = self._ask("POST", "/routes/refresh")
            if answer.status_code != 200:
                raise ServerError(
                    f"policy server {self.url} answered {answer.status_code} to /routes/refresh: {answer.text[:200]}"
                )
            route = answer.json()
            if route["experiment"] != experiment:
                raise ServerError(
                    f"policy server {self.url} obeys {route['experiment']!r} and not {experiment!r}: it reads another "
                    "event database; name the policy server or the database (--events) that belongs to the other"
                )
            return int(route["revision"])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise ServerError(f"policy server {self.url} did not take the route: {cause_of(error)}") from error

    def check(self) -> None:
        """Raise if it does not answer.

        Raises:
            ServerError: It does not.
        """
        if not self._alive():
            raise ServerError(f"policy server {self.url} does not answer")

    def stop(self) -> None:
        """Nothing: it is not ours."""

    def _alive(self) -> bool:
        try:
            return bool(self._ask("GET", "/healthz").status_code == 200)
        except requests.RequestException:
            return False

    def _ask(self, method: str, path: str) -> requests.Response:
        with requests.Session() as session:
            # A proxy that the environment names is for the world outside.
            session.trust_env = False
            headers = authorization(self.api_key)
            return session.request(method, f"{self.url}{path}", timeout=_TIMEOUT_S, headers=headers)
