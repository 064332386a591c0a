"""How our own clients show their key to the policy server."""

from __future__ import annotations

from pydantic import SecretStr

NO_KEY = SecretStr("")


def authorization(key: SecretStr) -> dict[str, str]:
    """The header of a request; none where there is no key."""
    secret = key.get_secret_value()
    return {"authorization": f"Bearer {secret}"} if secret else {}
