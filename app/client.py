"""What the review page knows of the world: the policy server's read-only routes, over HTTP and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import requests
from pydantic import SecretStr

from core.api_key import authorization
from core.errors import BadInput, ServerError
from core.settings import load_settings
from experiments.figures import Language

CONNECT_TIMEOUT_S = 1.0
READ_TIMEOUT_S = 10.0
_OPTION = "--policy"


def policy_address(arguments: Sequence[str]) -> str:
    """Where the policy server is: ``--policy http://host:port``, else the settings' host and port.

    Raises:
        BadInput: The option has no address, or something else.
    """
    if _OPTION not in arguments:
        settings = load_settings()
        return f"http://{settings.host}:{settings.policy_port}"
    given = "".join(arguments[arguments.index(_OPTION) + 1 :][:1])
    if not given.startswith(("http://", "https://")):
        raise BadInput(f"{_OPTION} {given!r}, must be the policy server's address, e.g. http://127.0.0.1:8080")
    return given.rstrip("/")


class PolicyServer:
    """The policy server, as far as people read it.

    Args:
        address: ``http://host:port``.
        connect_timeout_s: Nobody there after this: it is down.
        read_timeout_s: No answer after this: it is down as well.
        api_key: What it asks for; a viewer's will do. None: the setting api_key.
    """

    def __init__(
        self,
        address: str,
        *,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        api_key: SecretStr | None = None,
    ) -> None:
        self.address = address
        self._headers = authorization(load_settings().api_key if api_key is None else api_key)
        self._timeout = (connect_timeout_s, read_timeout_s)

    def experiments(self) -> list[dict[str, Any]]:
        """Every rollout in a few facts, the latest first; empty before the first.

        Raises:
            ServerError: The server is down, or answers something else.
        """
        # A/B/n tests and bandits have other figures than the page shows.
        return self._get("/experiments", "experiments", kind="rollout")

    def experiment(self, name: str) -> dict[str, Any]:
        """One experiment with looks, steps and words.

        Raises:
            BadInput: There is none of that name.
            ServerError: The server is down, or answers something else.
        """
        return self._get(f"/experiments/{quote(name, safe='')}")

    def users(self, name: str, limit: int = 50) -> list[str]:
        """Users of an experiment's latest sessions, latest first.

        Raises:
            BadInput: There is no experiment of that name.
            ServerError: The server is down, or answers something else.
        """
        found = self._get(f"/experiments/{quote(name, safe='')}/users", "users", limit=limit)
        return [user["user_id"] for user in found]

    def preview(self, user_id: str, k: int, explain: Language) -> dict[str, Any]:
        """Every variant's list for a user, with a reason for each item in a language; nothing is recorded.

        Raises:
            BadInput: The user id or k is not allowed.
            ServerError: The server is down or routes nothing, or answers something else.
        """
        return self._get("/preview", user_id=user_id, k=k, explain=explain)

    def _get(self, path: str, part: str = "", **query: str | int) -> Any:
        url = self.address + path
        with requests.Session() as session:
            # A proxy that the environment names is for the world outside.
            session.trust_env = False
            try:
                answer = session.get(url, params=query, headers=self._headers, timeout=self._timeout)
                document = answer.json()
                if answer.status_code == 200:
                    return document[part] if part else document
                reason = document["error"]
            except requests.JSONDecodeError as error:
                raise ServerError(f"{url} answered HTTP {answer.status_code} without JSON") from error
            except requests.RequestException as error:
                raise ServerError(f"{self.address} does not answer ({type(error).__name__})") from error
            except (KeyError, TypeError) as error:
                raise ServerError(f"{url} answered something else than expected") from error
        if 400 <= answer.status_code < 500:
            raise BadInput(reason)
        raise ServerError(reason)
