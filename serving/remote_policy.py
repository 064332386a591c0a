"""A policy server that somebody else runs, as far as a rollout needs it."""

from __future__ import annotations

import requests
from pydantic import SecretStr

from core.api_key import authorization
from core.errors import ConfigError, ServerError
from core.settings import load_settings
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

    def refresh(self) -> int:
        """Make it read its route again.

        Returns:
            The revision now in force.

        Raises:
            ServerError: It did not answer, or nonsense.
        """
        try:
            answer = self._ask("POST", "/routes/refresh")
            if answer.status_code != 200:
                raise ServerError(
                    f"policy server {self.url} answered {answer.status_code} to /routes/refresh: {answer.text[:200]}"
                )
            return int(answer.json()["revision"])
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise ServerError(f"policy server {self.url} did not take the route: {error}") from error

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
