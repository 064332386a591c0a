"""Secrets with values that can be looked for: a whole audition and every error must not show one, anywhere.

The audition has its event log on a PostgreSQL with a password, its data from an address with one, keys for our clients
and for a chat model, and a policy server that asks for keys.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from sqlalchemy import text

from core.settings import KServeSettings, Settings, load_settings
from events.api_keys import KeyRights, create_key, list_keys
from events.database import open_database, reading
from events.schema import METADATA
from serving.deployers.inference_service import Predictor, new_service
from tests.file_server import serving
from tests.policy_servers import policy_server
from tests.real_postgres import RealPostgres
from tests.short_audition import short_audition, write_small_ratings

ROOT = Path(__file__).parents[2]
CANARY = "canary-7f3a91c2"
#: Every setting that holds a secret, and the addresses that may.
SECRETS = {
    "REDIS_URL": f"redis://:{CANARY}@127.0.0.1:9/0",
    "SCREENTEST_EVENTS_URL": f"postgresql+psycopg://postgres:{CANARY}@127.0.0.1:9/events",
    "OPENAI_API_KEY": f"sk-{CANARY}",
    "SCREENTEST_API_KEY": f"st_{CANARY}",
    "MLFLOW_TRACKING_PASSWORD": CANARY,
}


def holding(folder: Path) -> list[Path]:
    """The files under a folder that hold the canary, in their text or in what is packed in them."""
    found = []
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as packed:
                    content += b"".join(packed.read(name) for name in packed.namelist())
            if CANARY.encode() in content:
                found.append(file)
    return found


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them in the environment."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "plain.log").write_text(f"x{CANARY}x")
    with zipfile.ZipFile(tmp_path / "packed.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a", CANARY)
    (tmp_path / "clean").write_text("nothing")
    assert sorted(file.name for file in holding(tmp_path)) == ["packed.npz", "plain.log"]


def test_settings_show_no_secret(secrets: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {name for name in Settings.model_fields if "SecretStr" in str(Settings.model_fields[name].annotation)} == {
        *("redis_url", "events_url", "openai_api_key", "api_key")
    }
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://me:{CANARY}@mlflow.example/x")
    monkeypatch.setenv("DATA_SOURCE_PATH", f"https://me:{CANARY}@data.example/ml.zip?signature={CANARY}")
    settings = load_settings()
    assert CANARY in settings.mlflow_tracking_uri
    shown = f"{settings!r} {settings} {settings.redis_url} {settings.model_dump(include={'api_key', 'redis_url'})}"
    assert CANARY not in shown
    assert "mlflow_tracking_uri='https://***@mlflow.example/x'" in shown
    assert "data_source_path='https://***@data.example/ml.zip?***'" in shown
    kept = settings.model_dump_json(exclude={"mlflow_tracking_uri", "data_source_path"})
    assert CANARY not in kept


@pytest.mark.long
def test_a_whole_audition_keeps_its_secrets(
    postgres: RealPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("REDIS_URL")
    events = postgres.new_log().replace(":hush@", f":{CANARY}@")
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", events)
    monkeypatch.setenv("SCREENTEST_ACCESS", "keys")
    monkeypatch.setenv("SCREENTEST_CACHE_DIR", str(tmp_path / "cache"))
    ratings = write_small_ratings(tmp_path / "ratings")
    with zipfile.ZipFile(tmp_path / "ratings.zip", "w") as packed:
        for file in ratings.iterdir():
            packed.write(file, f"small/{file.name}")
    told = io.StringIO()
    with serving({"/ratings.zip": (tmp_path / "ratings.zip").read_bytes()}) as served:
        address = served.address.replace("//", f"//me:{CANARY}@") + f"/ratings.zip?signature={CANARY}"
        served.files[f"/ratings.zip?signature={CANARY}"] = served.files["/ratings.zip"]
        audition = short_audition(address, tmp_path / "runs", Console(file=told, width=200))
        result = audition.perform()
    assert result["decision"] in ("keep", "promote", "rollback")
    assert CANARY not in told.getvalue() + json.dumps(result)
    run = audition.run.path
    assert len([file for file in run.rglob("*") if file.is_file()]) > 50, "MLflow, artifacts, logs, pages"
    assert holding(run) == []
    assert holding(tmp_path / "cache") == []
    engine = open_database(events)
    with reading(engine) as connection:
        for table in METADATA.sorted_tables:
            rows = connection.execute(text(f"SELECT * FROM {table.name}")).all()
            assert CANARY not in str(rows), table.name
    # The policy server asked for keys, so the controller and the simulated users had one.
    assert [key.name.partition("-")[0] for key in list_keys(engine)] == ["process"]
    engine.dispose()


def test_pipelines_compiled_with_secrets_around_hold_none(secrets: None, tmp_path: Path) -> None:
    compiled = subprocess.run(
        [sys.executable, "-m", "cli.main", "pipeline", "compile", "--out", str(tmp_path / "compiled")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (compiled.returncode, compiled.stderr) == (0, "")
    assert len(list((tmp_path / "compiled").glob("*.yaml"))) >= 2
    assert holding(tmp_path) == []
    assert CANARY not in compiled.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("keys", "list", "--json"),
        ("keys", "import", "page", "--role", "viewer"),
        ("audit", "--json"),
        ("database", "status", SECRETS["SCREENTEST_EVENTS_URL"]),
        ("bandit", "show", "nothing", "--json"),
        ("features", "show", "1"),
        ("decide", "spec.yaml", SECRETS["SCREENTEST_EVENTS_URL"]),
    ],
)
def test_commands_that_fail_name_no_secret(secrets: None, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "spec.yaml").write_text("name: x\nvariants: {champion: models:/r/1, challenger: models:/r/2}\n")
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.startswith("error: ") or "policy server" in done.stderr, done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert holding(tmp_path) == []


def test_a_policy_server_answers_and_logs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_ACCESS", "keys")
    url = f"sqlite:///{tmp_path / 'events.db'}"
    engine = open_database(url)
    good = create_key(engine, "shop", KeyRights("viewer"))[1]
    answers = []
    with policy_server(tmp_path, url) as process, httpx.Client(base_url=process.url, trust_env=False) as http:
        for key in (good, f"st_0123456789_{CANARY}", CANARY, f"{CANARY}\u00e9".encode("latin-1").decode("latin-1")):
            for method, path in (
                ("GET", "/routes"),
                ("POST", "/routes/refresh"),
                ("POST", "/experiments/x/stop"),
                ("GET", "/choose?user_id="),
                ("GET", "/metrics"),
                ("GET", f"/nothing?key={key}"),
            ):
                answer = http.request(method, path, headers=[(b"authorization", b"Bearer " + key.encode("latin-1"))])
                answers.append(f"{answer.text} {answer.headers}")
    shown = "\n".join(answers) + (tmp_path / "policy.log").read_text()
    assert good not in shown
    assert good[14:] not in shown
    assert CANARY not in shown
    for file in tmp_path.iterdir():
        assert good[14:].encode() not in file.read_bytes(), file
    engine.dispose()


def test_objects_for_a_cluster_name_secrets_and_hold_none(secrets: None) -> None:
    cluster = KServeSettings(image="registry.example/screentest:1", secret="recommender")
    service = new_service("recommender", Predictor("models:/recommender/1", ""), "http://mlflow:5000", cluster)
    assert CANARY not in json.dumps(service)
    assert '{"secretRef": {"name": "recommender"}}' in json.dumps(service)
