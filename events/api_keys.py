"""Keys of the policy server's API, as the event database holds them: never the secret, only its hash.

A key is ``st_<id>_<secret>``: the id says which row to look at, the secret is 256 random bits. A hash that is slow on
purpose (bcrypt, scrypt) protects secrets that people think up; nobody finds 256 random bits by trying, so one SHA-256
is enough, and costs a request a microsecond. Each change of a key is in the audit log, by the same transaction.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from sqlalchemy import Connection, Engine, RowMapping, insert, select, update

from core.errors import ConfigError
from events.audit import audit_command
from events.database import reading, writing
from events.dialects import lock_table
from events.schema import API_KEYS

Role: TypeAlias = Literal["viewer", "operator", "admin"]
Scope: TypeAlias = Literal["all", "traffic"]
#: Each may what those before it may.
ROLES: tuple[Role, ...] = get_args(Role)
DEFAULT_RATE = 300
MAX_RATE = 100_000
OVERLAP_S = 24 * 3600.0

_KEY = re.compile(r"st_([0-9a-f]{10})_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ApiKey:
    """A key, as far as it is known.

    Attributes:
        id: Public part of the key's text.
        name: Whose it is; a rotated key has its name in common with the one before.
        role: What it may do.
        scope: ``traffic``: of that, only lists and what became of them.
        sha256: Of the key's whole text, in hex.
        rate: Requests a second that each policy server takes from it.
        created_at: Seconds since 1970.
        expires_at: Seconds since 1970, the first moment at which it is refused; None: never.
        last_used_at: Seconds since 1970, minutes late; None: not yet.
        revoked_at: Seconds since 1970; None: it is not.
    """

    id: str
    name: str
    role: Role
    scope: Scope
    sha256: str
    rate: int
    created_at: float
    expires_at: float | None = None
    last_used_at: float | None = None
    revoked_at: float | None = None

    def is_live(self, now: float) -> bool:
        """Whether it is taken at a time (seconds since 1970)."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: float) -> str:
        """The same in a word: live, expired or revoked."""
        return "live" if self.is_live(now) else "expired" if self.revoked_at is None else "revoked"


@dataclass(frozen=True)
class KeyRights:
    """What a new key may do.

    Attributes:
        role: See ``ApiKey``.
        scope: See ``ApiKey``; ``traffic`` needs the role operator.
        rate: See ``ApiKey``, 1 … ``MAX_RATE``.

    Raises:
        ConfigError: They do not fit together.
    """

    role: Role
    scope: Scope = "all"
    rate: int = DEFAULT_RATE

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"role == {self.role!r}, must be one of {', '.join(ROLES)}")
        if self.scope == "traffic" and self.role != "operator":
            raise ConfigError(f"a key for traffic alone has the role operator, not {self.role}: give --role operator")
        if not 1 <= self.rate <= MAX_RATE:
            raise ConfigError(f"rate == {self.rate}, must be 1 … {MAX_RATE:,} requests a second")


def new_secret() -> str:
    """The text of a new key."""
    return f"st_{secrets.token_hex(5)}_{secrets.token_urlsafe(32)}"


def create_key(engine: Engine, name: str, rights: KeyRights, *, lifetime_s: float | None = None) -> tuple[ApiKey, str]:
    """Make a key.

    Args:
        engine: From ``open_database``.
        name: Whose it is, e.g. ``shop``.
        rights: What it may do.
        lifetime_s: Seconds until it is refused; None: for good.

    Returns:
        The key, and its text, which is kept nowhere.

    Raises:
        ConfigError: The name cannot be used, or a live key has it.
        EventLogError: The database refused.
    """
    text = new_secret()
    with writing(engine) as connection:
        lock_table(connection, API_KEYS)
        if _live(connection, _checked(name)):
            raise ConfigError(f"key {name!r} exists already; rotate or revoke it, or choose another name")
        audit_command(connection, "keys create", name)
        return _insert(connection, name, text, rights, lifetime_s), text


def import_key(
    engine: Engine, name: str, text: str, rights: KeyRights, *, overlap_s: float = OVERLAP_S
) -> tuple[ApiKey, bool]:
    """Make a key known whose text was made elsewhere, by ``new_secret`` and kept in a Secret, say.

    Known already it changes nothing; another live key of that name is replaced as by ``rotate_key``.

    Returns:
        The key, and whether it is new here.

    Raises:
        ConfigError: The text is no key, is another one's, is revoked or has expired, or the name cannot be used.
        EventLogError: The database refused.
    """
    if not _KEY.fullmatch(text):
        raise ConfigError("SCREENTEST_API_KEY is no key (st_, ten hex digits, _, 43 characters); `keys new` makes one")
    with writing(engine) as connection:
        lock_table(connection, API_KEYS)
        row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id(text))).mappings().first()
        if row is None:
            now = time.time()
            _end(connection, _live(connection, _checked(name)), now + overlap_s)
            audit_command(connection, "keys import", name)
            return _insert(connection, name, text, rights, None), True
        known = _key(row)
        if known.sha256 != hashed(text) or known.name != name:
            raise ConfigError(f"the id of this key is that of key {known.name!r}; make another one with `keys new`")
        if not known.is_live(time.time()):
            raise ConfigError(f"this key of {name!r} is {known.state(time.time())}; make another one with `keys new`")
        if KeyRights(known.role, known.scope, known.rate) != rights:
            raise ConfigError(
                f"this key of {name!r} is known as {known.role}, {known.scope}, {known.rate} a second; "
                "give it other rights by a new one (`keys new`)"
            )
        return known, False


def rotate_key(
    engine: Engine, name: str, *, overlap_s: float = OVERLAP_S, lifetime_s: float | None = None
) -> tuple[ApiKey, str]:
    """Make a key's successor, with its name and rights.

    Args:
        engine: From ``open_database``.
        name: A live key's.
        overlap_s: How long the old one is taken beside it; it is never taken longer than it would have been.
        lifetime_s: Of the new one in seconds; None: as long as the old one's was.

    Returns:
        The new key, and its text.

    Raises:
        ConfigError: No live key has that name.
        EventLogError: The database refused.
    """
    text, now = new_secret(), time.time()
    with writing(engine) as connection:
        lock_table(connection, API_KEYS)
        old = _live(connection, name)
        if not old:
            raise ConfigError(_unknown(connection, name))
        latest = old[-1]
        if lifetime_s is None and latest.expires_at is not None:
            lifetime_s = latest.expires_at - latest.created_at
        _end(connection, old, now + overlap_s)
        audit_command(connection, "keys rotate", name)
        rights = KeyRights(latest.role, latest.scope, latest.rate)
        return _insert(connection, name, text, rights, lifetime_s), text


def revoke_key(engine: Engine, name: str) -> int:
    """Refuse a key from now on, those it was rotated from too.

    Returns:
        How many were live.

    Raises:
        ConfigError: No live key has that name.
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        lock_table(connection, API_KEYS)
        live = _live(connection, name)
        if not live:
            raise ConfigError(_unknown(connection, name))
        audit_command(connection, "keys revoke", name)
        ids = [key.id for key in live]
        connection.execute(update(API_KEYS).where(API_KEYS.c.id.in_(ids)).values(revoked_at=time.time()))
        return len(live)


def list_keys(engine: Engine) -> list[ApiKey]:
    """Every key there ever was, by name, the oldest of each first.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        query = select(API_KEYS).order_by(API_KEYS.c.name, API_KEYS.c.created_at)
        return [_key(row) for row in connection.execute(query).mappings()]


def live_keys(engine: Engine) -> list[ApiKey]:
    """The keys that are taken now.

    Raises:
        EventLogError: The database cannot be read.
    """
    with reading(engine) as connection:
        return _live(connection)


def note_use(engine: Engine, ids: Collection[str], now: float) -> None:
    """Write down that keys were used, at a time in seconds since 1970.

    Raises:
        EventLogError: The database refused.
    """
    with writing(engine) as connection:
        connection.execute(update(API_KEYS).where(API_KEYS.c.id.in_(list(ids))).values(last_used_at=now))


def key_id(text: str) -> str:
    """The public part of a key's text; empty where it is none."""
    found = _KEY.fullmatch(text)
    return found[1] if found else ""


def hashed(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"key name {name[:80]!r}: letters, digits, '.', '_' and '-', at most 64, e.g. shop-frontend")
    return name


def _live(connection: Connection, name: str | None = None) -> list[ApiKey]:
    """The keys (of a name) that are taken now, the oldest first."""
    query = select(API_KEYS).where(API_KEYS.c.revoked_at.is_(None)).order_by(API_KEYS.c.created_at)
    if name is not None:
        query = query.where(API_KEYS.c.name == name)
    now = time.time()
    keys = [_key(row) for row in connection.execute(query).mappings()]
    return [key for key in keys if key.is_live(now)]


def _insert(connection: Connection, name: str, text: str, rights: KeyRights, lifetime_s: float | None) -> ApiKey:
    now = time.time()
    expires_at = None if lifetime_s is None else now + lifetime_s
    key = ApiKey(key_id(text), name, rights.role, rights.scope, hashed(text), rights.rate, now, expires_at)
    connection.execute(insert(API_KEYS).values(vars(key)))
    return key


def _end(connection: Connection, keys: Collection[ApiKey], at: float) -> None:
    """Let keys end at a time, unless they do earlier."""
    for key in keys:
        expires_at = at if key.expires_at is None else min(at, key.expires_at)
        connection.execute(update(API_KEYS).where(API_KEYS.c.id == key.id).values(expires_at=expires_at))


def _unknown(connection: Connection, name: str) -> str:
    known = ", ".join(sorted({key.name for key in _live(connection)})) or "none"
    return f"no live key {name[:80]!r}; live keys: {known}"


def _key(row: RowMapping | Mapping[str, object]) -> ApiKey:
    return ApiKey(**row)  # type: ignore[arg-type]
