"""A key of a process's own for the policy server that it starts: it has the event database anyway."""

from __future__ import annotations

import logging
import uuid

from pydantic import SecretStr

from core.errors import EventLogError
from events.api_keys import MAX_RATE, KeyRights, Role, create_key, revoke_key
from events.database import open_database

_log = logging.getLogger(__name__)


class OwnKey:
    """A key that lives as long as its owner. An owner that is killed takes its text along.

    Args:
        events_url: The policy server's event database.
        role: What the owner needs.

    Attributes:
        text: What it sends.

    Raises:
        EventLogError: The database refused.
    """

    def __init__(self, events_url: str, role: Role) -> None:
        self._url = events_url
        self._name = f"process-{uuid.uuid4().hex[:12]}"
        engine = open_database(events_url)
        try:
            _, text = create_key(engine, self._name, KeyRights(role, rate=MAX_RATE))
        finally:
            engine.dispose()
        self.text = SecretStr(text)

    def end(self) -> None:
        """Refuse it from now on."""
        try:
            engine = open_database(self._url)
            try:
                revoke_key(engine, self._name)
            finally:
                engine.dispose()
        except EventLogError as error:
            _log.warning("key %s stays valid, though nobody knows it any more: %s", self._name, error)
