"""The keys that a policy server takes, in memory: read again every second, and kept while the database is away."""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time

from sqlalchemy import Engine

from core.errors import EventLogError
from events.api_keys import ROLES, ApiKey, live_keys, note_use
from serving.access.token_bucket import TokenBucket

#: A key that is revoked works no longer than this.
REFRESH_S = 1.0
#: How often it is written down that a key is in use.
NOTE_USE_S = 300.0
#: Changes a second that a key may make; each is a row of the audit log.
CHANGES_PER_S, CHANGES_AT_ONCE = 10.0, 30.0
#: Where the id lies in ``st_<id>_<secret>``.
_ID = slice(3, 13)

_log = logging.getLogger(__name__)


class KnownKey:
    """A live key, and what is left of its rate here.

    Args:
        key: As the database holds it.
    """

    def __init__(self, key: ApiKey) -> None:
        self.id = key.id
        self.name = key.name
        self.role = key.role
        self.rank = ROLES.index(key.role)
        self.traffic_only = key.scope == "traffic"
        self.digest = bytes.fromhex(key.sha256)
        self.expires_at = float("inf") if key.expires_at is None else key.expires_at
        self.requests = TokenBucket(key.rate, key.rate)
        self.changes = TokenBucket(CHANGES_PER_S, CHANGES_AT_ONCE)
        self.noted_at = key.last_used_at or 0.0


class KeyRing:
    """The live keys.

    Args:
        engine: The event database; while it is down at the start, nobody has a key.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._keys: dict[bytes, KnownKey] = {}
        self._used: set[KnownKey] = set()
        self._unusable: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="key ring", daemon=True)
        try:
            self.refresh()
        except EventLogError as error:
            _log.warning("%s; nobody has a key until it is there", error)

    def __len__(self) -> int:
        return len(self._keys)

    def start(self) -> None:
        """Read the keys again and again."""
        self._thread.start()

    def close(self) -> None:
        """Stop that."""
        self._ended.set()
        self._thread.join()

    def find(self, token: bytes) -> KnownKey | None:
        """The live key of this text; None where there is none."""
        # The id is public. What is secret is compared as a hash, in constant time.
        known = self._keys.get(token[_ID])
        if known is None or not hmac.compare_digest(hashlib.sha256(token).digest(), known.digest):
            return None
        now = time.time()
        if now >= known.expires_at:
            return None
        if now - known.noted_at > NOTE_USE_S:
            self._used.add(known)
        return known

    def is_live(self, known: KnownKey) -> bool:
        """Whether a key that was found is still taken."""
        return known.id.encode() in self._keys and time.time() < known.expires_at

    def refresh(self) -> None:
        """Read the keys as they are now; those that stay keep what is left of their rate.

        Raises:
            EventLogError: The database cannot be read; the keys stay as they were.
        """
        before = self._keys
        after = {}
        for key in live_keys(self._engine):
            try:
                known = before.get(key.id.encode()) or KnownKey(key)
            except ValueError as error:
                # One row that somebody spoiled must not keep all others, revoked ones too, as they are.
                if key.id not in self._unusable:
                    _log.error("key %r cannot be used, its row is damaged: %s", key.name, error)
                self._unusable.add(key.id)
                continue
            known.expires_at = float("inf") if key.expires_at is None else key.expires_at
            after[key.id.encode()] = known
        self._keys = after

    def _note_use(self) -> None:
        used = list(self._used)
        if used:
            now = time.time()
            note_use(self._engine, [known.id for known in used], now)
            for known in used:
                known.noted_at = now
            self._used.difference_update(used)

    def _poll(self) -> None:
        said = ""
        while not self._ended.wait(REFRESH_S):
            trouble = ""
            try:
                self.refresh()
                self._note_use()
            except EventLogError as error:
                trouble = str(error)
            if trouble and trouble != said:
                _log.warning("API keys are as they were, revoked ones go on working: %s", trouble)
            said = trouble
