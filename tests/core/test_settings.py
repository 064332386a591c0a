import os
from pathlib import Path

import pytest
import yaml

from core.errors import ConfigError
from core.settings import Settings, exported, kept, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_arguments_beat_environment_beats_file_beats_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().k == 10
    (tmp_path / "config.yaml").write_text("k: 20\nsplit_n: 3\n")
    assert (load_settings().k, load_settings().split_n) == (20, 3)
    monkeypatch.setenv("SCREENTEST_K", "30")
    assert load_settings().k == 30
    assert load_settings(k=40).k == 40
    assert load_settings(k=None).k == 30


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("MLFLOW_TRACKING_URI", "mlflow_tracking_uri"),
        ("MLFLOW_MODEL_NAME", "mlflow_model_name"),
        ("MLFLOW_MODEL_STAGE", "mlflow_model_stage"),
        ("MLFLOW_EXPERIMENT_NAME", "mlflow_experiment_name"),
        ("DATA_LOADER_TYPE", "data_loader_type"),
        ("DATA_SOURCE_PATH", "data_source_path"),
    ],
)
def test_the_names_people_already_use(monkeypatch: pytest.MonkeyPatch, name: str, field: str) -> None:
    monkeypatch.setenv(name, "given")

    assert getattr(load_settings(), field) == "given"


@pytest.mark.parametrize(
    ("stage", "alias"), [("Production", "champion"), ("staging", "challenger"), ("PolicyA", "PolicyA")]
)
def test_stages_become_aliases(monkeypatch: pytest.MonkeyPatch, stage: str, alias: str) -> None:
    monkeypatch.setenv("MLFLOW_MODEL_STAGE", stage)

    assert load_settings().mlflow_model_stage == alias


def test_a_bad_value_is_one_line_naming_setting_value_and_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_K", "none")

    with pytest.raises(ConfigError, match=r"k == 'none'.*valid integer.*config\.yaml") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_a_value_that_must_be_json_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_DATA_COLUMNS", "user_id=customer")

    with pytest.raises(
        ConfigError, match=r'environment: .*"data_columns".*must be JSON, e\.g\. SCREENTEST_DATA_COLUMNS='
    ):
        load_settings()


def test_a_secret_in_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("redis_url: redis://:hush@there:6379/0\n")

    with pytest.raises(ConfigError, match="set REDIS_URL in the environment") as caught:
        load_settings()
    assert "hush" not in str(caught.value)


def test_a_misspelt_option_in_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("splitt: temporal\n")

    with pytest.raises(ConfigError, match="splitt"):
        load_settings()


def test_the_shipped_files_list_every_option_with_its_default() -> None:
    lines = [line.removeprefix("# ") for line in (ROOT / "config.yaml").read_text().splitlines() if ":" in line]
    options = [line for line in lines if line.split(":")[0] in Settings.model_fields]
    shipped = yaml.safe_load("\n".join(options))
    defaults = load_settings().model_dump(mode="json")

    assert shipped == defaults
    example = (ROOT / ".env.example").read_text()
    own_names = {"mlflow_tracking_uri", "mlflow_model_name", "mlflow_model_stage", "mlflow_experiment_name"}
    own_names |= {"data_loader_type", "data_source_path", "redis_url", "openai_api_key", "openai_base_url"}
    for name in Settings.model_fields:
        assert (name.upper() if name in own_names else f"SCREENTEST_{name.upper()}") + "=" in example


def test_what_a_block_does_to_the_environment_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_THERE", "before")
    monkeypatch.delenv("SCREENTEST_ABSENT", raising=False)
    names = ("SCREENTEST_THERE", "SCREENTEST_ABSENT")

    def change() -> None:
        with kept(names), exported(dict.fromkeys(names, "exported")):
            os.environ.update(SCREENTEST_THERE="changed", SCREENTEST_ABSENT="changed")
        with kept(names):
            del os.environ["SCREENTEST_THERE"]
            os.environ["SCREENTEST_ABSENT"] = "changed"
            raise KeyError("ours")

    with pytest.raises(KeyError):
        change()
    assert [os.environ.get(name) for name in names] == ["before", None]
