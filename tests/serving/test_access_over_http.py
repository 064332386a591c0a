"""A real policy server that asks for keys: who gets in, how far, how often, and what is written down of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, update

from app.client import PolicyServer
from core.errors import BadInput
from events.api_keys import KeyRights, create_key, list_keys, revoke_key, rotate_key
from events.audit import AuditEntry, read_audit
from events.database import open_database, writing
from events.rollouts import Route, put_route
from events.schema import API_KEYS
from serving.model_source import UNREGISTERED
from serving.policy_process import PolicyProcess
from serving.processes import poll
from tests.policy_servers import policy_server
from tests.real_postgres import RealPostgres, real_postgres

RIGHTS = {
    "viewer": KeyRights("viewer"),
    "shop": KeyRights("operator", "traffic"),
    "operator": KeyRights("operator"),
    "admin": KeyRights("admin"),
    "slow": KeyRights("viewer", rate=3),
}
#: Longer than it takes until a change of a key is known.
KNOWN_S = 10


@dataclass(frozen=True)
class Guarded:
    """A policy server that asks for keys, and a key of each kind."""

    address: str
    engine: Engine
    keys: dict[str, str]
    log: Path

    def ask(self, key: str, method: str, path: str, **headers: str) -> httpx.Response:
        """``key``: a name in ``keys``, or the text of one."""
        secret = self.keys.get(key, key)
        shown = {"authorization": f"Bearer {secret}"} if secret else {}
        return httpx.request(method, self.address + path, headers={**shown, **headers}, trust_env=False, timeout=30)

    def ask_as_stranger(self, method: str, path: str, address: str) -> httpx.Response:
        """Without a key, from an address of this machine that has not failed before."""
        with httpx.Client(transport=httpx.HTTPTransport(local_address=address)) as http:
            return http.request(method, self.address + path)

    def audit(self, request_id: str) -> AuditEntry | None:
        """What was written down of a request, soon."""
        found: list[AuditEntry] = []

        def is_there() -> bool:
            found.extend(entry for entry in read_audit(self.engine) if entry.request_id == request_id)
            return bool(found)

        return found[0] if poll(is_there, 5) else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    url = f"sqlite:///{folder / 'events.db'}"
    engine = open_database(url)
    keys = {name: create_key(engine, name, rights)[1] for name, rights in RIGHTS.items()}
    put_route(engine, route("live"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SCREENTEST_ACCESS", "keys")
        environment.setenv("SCREENTEST_CORS_ORIGINS", '["https://shop.example"]')
        with policy_server(folder, url) as process:
            yield Guarded(process.url, engine, keys, folder / "policy.log")
    engine.dispose()


def route(name: str) -> Route:
    spec = {"name": name, "variants": {"champion": "models:/r/1", "challenger": "models:/r/2"}}
    return Route(name, spec, 0, 0, "http://127.0.0.1:9", UNREGISTERED)


#: What each may ask; a request that may pass gets some answer of the application, here none that is refused.
MATRIX = [
    ("GET", "/routes", {"viewer", "operator", "admin"}),
    ("GET", "/experiments", {"viewer", "operator", "admin"}),
    ("GET", "/experiments/nope", {"viewer", "operator", "admin"}),
    ("GET", "/choose", {"shop", "operator", "admin"}),
    ("POST", "/update", {"shop", "operator", "admin"}),
    ("POST", "/routes/refresh", {"operator", "admin"}),
    ("POST", "/experiments/nope/stop", {"operator", "admin"}),
    ("DELETE", "/experiments/nope", {"admin"}),
    ("POST", "/experiments", {"admin"}),
    ("GET", "/no-such-path", {"admin"}),
    ("POST", "/no-such-path", {"admin"}),
]


@pytest.mark.parametrize(("method", "path", "who"), MATRIX)
def test_who_may_what(server: Guarded, method: str, path: str, who: set[str]) -> None:
    for name in ("viewer", "shop", "operator", "admin"):
        status = server.ask(name, method, path).status_code
        assert (status not in (401, 403)) == (name in who), (name, status)
    none = server.ask_as_stranger(
        method, path, address=f"127.0.1.{1 + [row[:2] for row in MATRIX].index((method, path))}"
    )
    assert (none.status_code, none.headers["www-authenticate"]) == (401, 'Bearer realm="screentest"')


def test_probes_and_figures_need_no_key(server: Guarded) -> None:
    # Refused, and counted: whichever test comes first on this server finds the counter there.
    assert server.ask("", "GET", "/routes").status_code in (401, 429)
    answers = {path: server.ask("", "GET", path) for path in ("/healthz", "/readyz", "/metrics")}
    # Ready it is not: the champion is not there.
    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/healthz": 200,
        "/readyz": 503,
        "/metrics": 200,
    }
    assert 'screentest_refused_total{reason="' in answers["/metrics"].text


def test_a_key_is_shown_in_either_header_and_nowhere_else(server: Guarded) -> None:
    key = server.keys["viewer"]
    assert server.ask("", "GET", "/routes", **{"X-API-Key": key}).status_code == 200
    assert server.ask("", "GET", "/routes", authorization=f"bearer  {key}").status_code == 200
    for wrong in (f"Basic {key}", key, f"Bearer {key}x", f"Bearer {key[:-1]}", f"Bearer {key.upper()}", "Bearer"):
        assert server.ask("", "GET", "/routes", authorization=wrong).status_code in (401, 429), wrong
    for address in (f"/routes?api_key={key}", f"/routes?token={key}", f"/routes?access_token={key}"):
        assert server.ask("", "GET", address).status_code in (401, 429)


def test_the_id_alone_opens_nothing(server: Guarded) -> None:
    shop, admin = server.keys["shop"], server.keys["admin"]
    mixed = admin[:14] + shop[14:]
    assert server.ask(mixed, "GET", "/routes").status_code in (401, 429)


def test_what_was_changed_is_written_down_by_whom(server: Guarded) -> None:
    done = server.ask("operator", "POST", "/routes/refresh", **{"x-request-id": "ticket-17"})
    assert (done.status_code, done.headers["x-request-id"]) == (200, "ticket-17")
    entry = server.audit("ticket-17")
    assert entry is not None
    assert entry.ts == pytest.approx(time.time(), abs=60)
    assert (entry.who, entry.role, entry.method, entry.path) == ("operator", "operator", "POST", "/routes/refresh")
    assert entry.status == 200

    refused = server.ask("viewer", "POST", "/experiments/a%20b%1B%5B2J/stop")
    entry = server.audit(refused.headers["x-request-id"])
    assert entry is not None
    assert (entry.who, entry.status, entry.path) == ("viewer", 403, "/experiments/a%20b%1B%5B2J/stop")
    assert entry.subject == "a b\N{REPLACEMENT CHARACTER}[2J", "nothing that a terminal obeys"


def test_traffic_reading_and_strangers_are_not_written_down(server: Guarded) -> None:
    server.ask("operator", "POST", "/routes/refresh", **{"x-request-id": "the-first"})
    assert server.audit("the-first") is not None
    before = len(read_audit(server.engine))
    for key, method, path in (
        ("shop", "POST", "/update"),
        ("shop", "GET", "/choose"),
        ("viewer", "GET", "/routes"),
        ("", "POST", "/routes/refresh"),
        ("st_not_a_key", "POST", "/routes/refresh"),
    ):
        assert "x-request-id" not in server.ask(key, method, path).headers
    server.ask("operator", "POST", "/routes/refresh", **{"x-request-id": "the-last"})
    assert server.audit("the-last") is not None
    assert len(read_audit(server.engine)) == before + 1


def test_a_request_id_that_is_none_is_replaced(server: Guarded) -> None:
    done = server.ask("operator", "POST", "/routes/refresh", **{"x-request-id": "a b; drop"})
    assert done.headers["x-request-id"] != "a b; drop"


def test_a_key_has_its_rate_and_is_told_when_to_come_back(server: Guarded) -> None:
    with httpx.Client(base_url=server.address, trust_env=False) as http:
        header = {"authorization": f"Bearer {server.keys['slow']}"}
        answers = [http.get("/routes", headers=header) for _ in range(12)]
        others = http.get("/routes", headers={"authorization": f"Bearer {server.keys['viewer']}"})
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "key 'slow' has used up its rate" in answers[-1].text
    assert others.status_code == 200


def test_changes_have_a_rate_of_their_own(server: Guarded) -> None:
    create = create_key(server.engine, "hasty", KeyRights("viewer"))[1]
    assert poll(lambda: server.ask(create, "GET", "/routes").status_code == 200, KNOWN_S)
    with httpx.Client(base_url=server.address, trust_env=False, headers={"authorization": f"Bearer {create}"}) as http:
        statuses = [http.post("/routes/refresh").status_code for _ in range(80)]
        assert http.get("/routes").status_code == 200, "reading goes on"
    # A viewer that fills the audit log with refusals is stopped.
    assert set(statuses) == {403, 429}


def test_a_key_for_traffic_is_not_told_what_is_behind_the_server(server: Guarded) -> None:
    seen = {key: server.ask(key, "GET", "/choose?user_id=1") for key in ("operator", "shop")}
    assert {key: answer.status_code for key, answer in seen.items()} == {"operator": 503, "shop": 503}
    assert "127.0.0.1:9" in seen["operator"].text
    assert seen["shop"].json() == {"error": "this cannot be answered at the moment; try again"}
    assert seen["shop"].headers["retry-after"] == seen["operator"].headers["retry-after"]


def test_a_key_whose_row_is_damaged_holds_up_no_other(server: Guarded) -> None:
    bad = create_key(server.engine, "passes", KeyRights("viewer"))[1]
    assert poll(lambda: server.ask(bad, "GET", "/routes").status_code == 200, KNOWN_S)
    later = create_key(server.engine, "later", KeyRights("viewer"))[1]
    spoiled = create_key(server.engine, "spoiled", KeyRights("viewer"))[1]
    with writing(server.engine) as connection:
        connection.execute(update(API_KEYS).where(API_KEYS.c.name == "spoiled").values(role="owner"))
    assert poll(lambda: server.ask(later, "GET", "/routes").status_code == 200, KNOWN_S)
    assert server.ask(spoiled, "GET", "/routes").status_code in (401, 429)
    revoke_key(server.engine, "passes")
    assert poll(lambda: server.ask(bad, "GET", "/routes").status_code in (401, 429), KNOWN_S), "revoking goes on"


def test_guessing_is_slowed_down_and_good_keys_from_there_pass(server: Guarded) -> None:
    transport = httpx.HTTPTransport(local_address="127.0.2.1")
    with httpx.Client(base_url=server.address, transport=transport) as http:
        wrong = {"authorization": f"Bearer st_0123456789_{'A' * 43}"}
        answers = [http.get("/routes", headers=wrong) for _ in range(60)]
        good = http.get("/routes", headers={"authorization": f"Bearer {server.keys['viewer']}"})
    assert [answer.status_code for answer in answers[:10]] == [401] * 10
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert good.status_code == 200


def test_a_new_key_works_soon_a_rotated_one_meanwhile_and_a_revoked_one_no_longer(server: Guarded) -> None:
    first = create_key(server.engine, "passing", KeyRights("viewer"))[1]
    assert poll(lambda: server.ask(first, "GET", "/routes").status_code == 200, KNOWN_S)
    second = rotate_key(server.engine, "passing", overlap_s=3600)[1]
    assert poll(lambda: server.ask(second, "GET", "/routes").status_code == 200, KNOWN_S)
    assert server.ask(first, "GET", "/routes").status_code == 200
    revoke_key(server.engine, "passing")
    began = time.monotonic()
    assert poll(lambda: server.ask(second, "GET", "/routes").status_code in (401, 429), KNOWN_S)
    assert time.monotonic() - began < KNOWN_S
    assert server.ask(first, "GET", "/routes").status_code in (401, 429)


def test_a_key_ends_when_it_should(server: Guarded) -> None:
    short = create_key(server.engine, "short", KeyRights("viewer"), lifetime_s=4.0)[1]
    assert poll(lambda: server.ask(short, "GET", "/routes").status_code == 200, 5)
    assert poll(lambda: server.ask(short, "GET", "/routes").status_code in (401, 429), 15)


def test_it_is_noted_that_a_key_is_used(server: Guarded) -> None:
    server.ask("admin", "GET", "/routes")

    def noted() -> bool:
        return any(key.name == "admin" and key.last_used_at for key in list_keys(server.engine))

    assert poll(noted, KNOWN_S)


def test_our_own_clients_show_their_key(server: Guarded) -> None:
    page = PolicyServer(server.address, api_key=SecretStr(server.keys["viewer"]))
    assert page.experiments() == []
    with pytest.raises(BadInput, match=r"no valid API key|too many attempts"):
        PolicyServer(server.address).experiments()


def test_other_web_pages_are_refused_before_their_key_is_looked_at(server: Guarded) -> None:
    for method in ("GET", "OPTIONS"):
        answer = server.ask("admin", method, "/routes", origin="https://evil.example")
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
    allowed = server.ask("viewer", "GET", "/routes", origin="https://shop.example")
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    refused = server.ask("", "GET", "/routes", origin="https://shop.example")
    assert refused.status_code in (401, 429), "an origin is no key"


def test_stopping_writes_what_waits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine = open_database(url)
    with policy_server(tmp_path, url) as process, httpx.Client(base_url=process.url, trust_env=False) as http:
        ids = [http.post("/routes/refresh").headers["x-request-id"] for _ in range(5)]
        process.stop()
    assert [entry.request_id for entry in read_audit(engine)] == ids
    assert {(entry.who, entry.status) for entry in read_audit(engine)} == {("anyone", 503)}
    engine.dispose()


def test_a_rollouts_own_server_gets_a_key_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_ACCESS", "keys")
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine = open_database(url)
    revision = put_route(engine, route("own")).revision
    process = PolicyProcess(url, tmp_path)
    try:
        process.wait_alive(60)
        assert process.refresh("own") == revision
        assert httpx.get(process.url + "/routes", trust_env=False).status_code == 401
        secret = process.api_key.get_secret_value()
        assert secret.startswith("st_")
        arguments = Path(f"/proc/{process.pid}/cmdline").read_text() + Path(f"/proc/{process.pid}/environ").read_text()
        assert secret not in arguments
    finally:
        process.stop()
    assert [key.state(time.time()) for key in list_keys(engine)] == ["revoked"]
    engine.dispose()


@pytest.fixture
def own_postgres() -> Iterator[RealPostgres]:
    with real_postgres() as server:
        yield server


@pytest.mark.long
def test_on_postgresql_two_servers_share_keys_and_go_on_while_it_is_away(
    own_postgres: RealPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_ACCESS", "keys")
    url = own_postgres.new_log()
    engine = open_database(url)
    put_route(engine, route("shared"))
    viewer, operator = (create_key(engine, role, KeyRights(role))[1] for role in ("viewer", "operator"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with policy_server(tmp_path / "one", url) as one, policy_server(tmp_path / "two", url) as two:

        def statuses(key: str, method: str = "GET", path: str = "/routes") -> list[int]:
            headers = {"authorization": f"Bearer {key}"}
            return [
                httpx.request(method, server.url + path, headers=headers, trust_env=False, timeout=30).status_code
                for server in (one, two)
            ]

        assert statuses(viewer) == [200, 200]
        assert statuses(operator, "POST", "/routes/refresh") == [200, 200]
        assert poll(lambda: len([e for e in read_audit(engine) if e.path == "/routes/refresh"]) == 2, 10)
        own_postgres.kill()
        time.sleep(2.5)
        assert statuses(viewer) == [200, 200], "known keys go on"
        assert statuses("st_0123456789_" + "A" * 43) == [401, 401]
        assert set(statuses(operator, "POST", "/routes/refresh")) == {503}, "the audit log is not waited for"
        own_postgres.start()
        # What was changed, or tried, meanwhile is written down then.
        assert poll(lambda: len([e for e in read_audit(engine) if e.status == 503]) == 2, 30)
        revoke_key(engine, "viewer")
        assert poll(lambda: statuses(viewer) == [401, 401], 30)
    for name in ("one", "two"):
        said = (tmp_path / name / "policy.log").read_text()
        assert "API keys are as they were" in said
        assert operator not in said
        assert viewer not in said
    engine.dispose()
