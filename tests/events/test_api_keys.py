"""Keys and the audit log in the database: what is kept, what ends when, what is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from core.errors import ConfigError
from events import api_keys
from events.api_keys import (
    KeyRights,
    create_key,
    hashed,
    import_key,
    key_id,
    list_keys,
    live_keys,
    new_secret,
    note_use,
    revoke_key,
    rotate_key,
)
from events.audit import AuditEntry, os_user, read_audit, write_audit
from events.database import open_database, reading

DAY_S = 86400.0
VIEWER = KeyRights("viewer")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, for keys."""
    now = [1_000_000.0]
    monkeypatch.setattr(api_keys.time, "time", lambda: now[0])
    return now


def test_the_secret_is_kept_nowhere(engine: Engine) -> None:
    key, text_ = create_key(engine, "shop", KeyRights("operator", "traffic", 50), lifetime_s=90 * DAY_S)
    assert re.fullmatch(r"st_[0-9a-f]{10}_[A-Za-z0-9_-]{43}", text_)
    assert (key.id, key.sha256) == (key_id(text_), hashed(text_))
    [kept] = list_keys(engine)
    assert kept == key
    assert kept.expires_at == pytest.approx(time.time() + 90 * DAY_S, abs=60)
    with reading(engine) as connection:
        rows = (
            connection.execute(text("SELECT * FROM api_keys")).all()
            + connection.execute(text("SELECT * FROM audit_log")).all()
        )
    assert text_[14:] not in str(rows)


def test_secrets_do_not_repeat() -> None:
    assert len({new_secret() for _ in range(1000)}) == 1000


def test_a_rotated_key_ends_after_the_overlap(engine: Engine, clock: list[float]) -> None:
    create_key(engine, "shop", KeyRights("operator", "traffic", 50), lifetime_s=30 * DAY_S)
    clock[0] += DAY_S
    new, _ = rotate_key(engine, "shop", overlap_s=3600)
    assert (new.role, new.scope, new.rate) == ("operator", "traffic", 50)
    assert new.expires_at == clock[0] + 30 * DAY_S, "as long as the one before"
    assert len(live_keys(engine)) == 2
    clock[0] += 3599
    assert len(live_keys(engine)) == 2
    clock[0] += 1
    assert [key.id for key in live_keys(engine)] == [new.id]


def test_rotating_again_does_not_let_the_first_live_longer(engine: Engine, clock: list[float]) -> None:
    first, _ = create_key(engine, "shop", VIEWER)
    rotate_key(engine, "shop", overlap_s=100)
    clock[0] += 50
    rotate_key(engine, "shop", overlap_s=100)
    ends = {key.id: key.expires_at for key in list_keys(engine)}
    assert ends[first.id] == clock[0] + 50
    assert sorted(ends.values(), key=lambda end: end or 1e12) == [clock[0] + 50, clock[0] + 100, None]


def test_revoking_ends_all_of_a_name_and_frees_it(engine: Engine) -> None:
    create_key(engine, "shop", VIEWER)
    rotate_key(engine, "shop")
    assert revoke_key(engine, "shop") == 2
    assert live_keys(engine) == []
    with pytest.raises(ConfigError, match="no live key 'shop'; live keys: none"):
        rotate_key(engine, "shop")
    create_key(engine, "shop", VIEWER)
    with pytest.raises(ConfigError, match="key 'shop' exists already; rotate or revoke it"):
        create_key(engine, "shop", VIEWER)
    assert [key.state(time.time()) for key in list_keys(engine)] == ["revoked", "revoked", "live"]


def test_importing_is_the_same_however_often(engine: Engine) -> None:
    secret = new_secret()
    assert import_key(engine, "page", secret, VIEWER)[1]
    assert not import_key(engine, "page", secret, VIEWER)[1]
    assert len(list_keys(engine)) == 1
    successor = new_secret()
    import_key(engine, "page", successor, VIEWER, overlap_s=3600)
    old, new = list_keys(engine)
    assert (old.sha256, new.sha256) == (hashed(secret), hashed(successor))
    assert old.expires_at == pytest.approx(time.time() + 3600, abs=60)
    assert new.expires_at is None


def test_what_cannot_be_imported(engine: Engine) -> None:
    secret = new_secret()
    import_key(engine, "page", secret, VIEWER)
    with pytest.raises(ConfigError, match="other rights by a new one"):
        import_key(engine, "page", secret, KeyRights("admin"))
    for name, text_ in (("other", secret), ("page", secret[:14] + "A" * 43)):
        with pytest.raises(ConfigError, match="the id of this key is that of key 'page'"):
            import_key(engine, name, text_, VIEWER)
    for weak in ("", "hunter2", "st_0123456789_short", secret + "x", secret.upper(), secret + "\n"):
        with pytest.raises(ConfigError, match="is no key") as caught:
            import_key(engine, "weak", weak, VIEWER)
        assert not weak or weak not in str(caught.value)
    revoke_key(engine, "page")
    with pytest.raises(ConfigError, match="this key of 'page' is revoked"):
        import_key(engine, "page", secret, VIEWER)


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 65, "ключ", "a\n", "a/b"])
def test_names_are_plain(engine: Engine, name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        create_key(engine, name, VIEWER)


def test_rights_that_do_not_fit_are_refused() -> None:
    for scope_role in ("viewer", "admin"):
        with pytest.raises(ConfigError, match="a key for traffic alone has the role operator"):
            KeyRights(scope_role, "traffic")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="role == 'root', must be one of viewer, operator, admin"):
        KeyRights("root")  # type: ignore[arg-type]
    for rate in (0, -1, 100_001):
        with pytest.raises(ConfigError, match="requests a second"):
            KeyRights("viewer", rate=rate)


def test_use_is_noted(engine: Engine) -> None:
    key, _ = create_key(engine, "shop", VIEWER)
    create_key(engine, "other", VIEWER)
    note_use(engine, [key.id], 5.0)
    assert {key.name: key.last_used_at for key in list_keys(engine)} == {"shop": 5.0, "other": None}


def test_every_change_of_a_key_is_written_down_by_whom(engine: Engine) -> None:
    create_key(engine, "shop", VIEWER)
    rotate_key(engine, "shop")
    import_key(engine, "page", new_secret(), VIEWER)
    revoke_key(engine, "shop")
    with pytest.raises(ConfigError):
        revoke_key(engine, "shop")
    found = read_audit(engine)
    told = [(entry.who, entry.method, entry.path, entry.subject) for entry in found]
    commands = [("create", "shop"), ("rotate", "shop"), ("import", "page"), ("revoke", "shop")]
    assert told == [(os_user(), "command", f"keys {command}", name) for command, name in commands]


def test_the_latest_entries_oldest_first(engine: Engine) -> None:
    entries = [AuditEntry(float(i), "me", "admin", "POST", "/experiments", f"e{i}", 201, f"r{i}") for i in range(10)]
    write_audit(engine, entries[:5])
    write_audit(engine, entries[5:])
    assert read_audit(engine) == entries
    assert read_audit(engine, since=7.0) == entries[7:]
    assert read_audit(engine, limit=2) == entries[8:]


def test_the_environment_does_not_say_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os_user()
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert os_user() == before
