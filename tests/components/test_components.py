"""Each component's own body, called as the function it is. ab-rollout runs whole in tests/integration."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.evaluate_model import evaluate_model
from components.get_data import get_data
from components.image import IMAGE
from components.register_model import register_model
from components.train_model import train_model
from components.tune_model import tune_model
from core.errors import DataError, UnknownName
from events.database import opened
from events.tables import latest_rows
from loaders.base import SplitRule
from loaders.export import write_movielens_csv
from loaders.prepared import PreparedDataLoader
from loaders.synthetic import SyntheticDataLoader
from tests.file_server import serving
from tracking.client import connect
from tracking.registry import CHALLENGER, CHAMPION, list_versions, version_for

FOLDER = Path(__file__).parents[2] / "components"
COMPONENTS = sorted(path for path in FOLDER.glob("*.py") if path.stem not in {"__init__", "image"})


def get(folder: Path, source: str, **changes: Any) -> dsl.Dataset:
    """Run get-data into a folder: ``prepared`` and, beside it, the pages and the lines set aside."""
    prepared = dsl.Dataset(uri=str(folder / "prepared"))
    options = {
        "loader": "local",
        "split": "random_per_user",
        "split_n": 10,
        "split_test_fraction": 0.25,
        "split_folds": 5,
        "split_fold": 0,
        "seed": 1,
        "thresholds": {},
        "quarantine": False,
    }
    get_data.python_func(
        source=source,
        dataset=prepared,
        description=dsl.HTML(uri=str(folder / "description.html")),
        validation=dsl.HTML(uri=str(folder / "validation.html")),
        set_aside=dsl.Artifact(uri=str(folder / "set_aside")),
        **(options | changes),
    )
    return prepared


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> dsl.Dataset:
    folder = tmp_path_factory.mktemp("dataset")
    write_movielens_csv(SyntheticDataLoader(7, n_users=60, n_items=120, split=SplitRule()).load(), folder / "ratings")
    return get(folder, str(folder / "ratings"))


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def test_get_data_writes_a_prepared_dataset_and_a_page(dataset: dsl.Dataset) -> None:
    loader = PreparedDataLoader(dataset.path)

    assert len(loader.train()) + len(loader.test()) == len(loader.load())
    assert loader.provenance().split == "random_per_user(test_fraction=0.25, seed=1)"
    assert "<html" in (Path(dataset.path).parent / "description.html").read_text()
    assert dataset.metadata["n_ratings"] == len(loader.load())


def test_get_data_takes_a_table_from_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCREENTEST_CACHE_DIR", str(tmp_path / "cache"))
    table = SyntheticDataLoader(7, n_users=30, n_items=60).load().ratings.rename(columns={"item_id": "sku"})
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", f"sqlite:///{tmp_path / 'events.db'}")
    with serving({"/shop.csv": table.to_csv(index=False).encode()}) as served:
        get(tmp_path, f"{served.address}/shop.csv", loader="table", columns={"item_id": "sku"})

    assert len(PreparedDataLoader(tmp_path / "prepared").load()) == len(table)
    with opened(f"sqlite:///{tmp_path / 'events.db'}") as engine:
        users, items = (latest_rows(engine, name, limit=1000) for name in ("users", "items"))
    assert (len(users), len(items)) == (table["user_id"].nunique(), table["sku"].nunique())
    assert sum(user["ratings"] for user in users) == len(table)


def test_refused_data_leave_their_report_and_bad_lines_are_set_aside(tmp_path: Path) -> None:
    write_movielens_csv(SyntheticDataLoader(7, n_users=30, n_items=60).load(), tmp_path / "ratings")
    with (tmp_path / "ratings" / "ratings.csv").open("a") as file:
        file.write("1,1,9.0,978300000\n")
    folds = {"source": str(tmp_path / "ratings"), "split": "kfold", "split_folds": 4, "split_fold": 3}

    with pytest.raises(DataError, match=r"rating is 9\.0"):
        get(tmp_path, **folds)
    assert "rating is 9.0" in (tmp_path / "validation.html").read_text()
    # KFP hands on the numbers in a dict as floats.
    with pytest.raises(DataError, match=r"setting validation.min_users\); all checks are in "):
        get(tmp_path, **folds, thresholds={"min_users": 31.0}, quarantine=True)
    assert "at least 31" in (tmp_path / "validation.html").read_text()
    prepared = get(tmp_path, **folds, thresholds={"min_users": 30.0}, quarantine=True)
    assert prepared.metadata["validation"]["n_set_aside"] == 1
    assert "rating is 9.0" in (tmp_path / "set_aside").read_text()
    assert PreparedDataLoader(prepared.path).provenance().split == "kfold(n_folds=4, fold=3, seed=1)"


def test_what_tuning_finds_is_what_training_takes(dataset: dsl.Dataset, tracking_uri: str, tmp_path: Path) -> None:
    search, report = dsl.Artifact(uri=str(tmp_path / "search.db")), dsl.HTML(uri=str(tmp_path / "tuning.html"))
    best = tune_model.python_func(
        model="item_knn,ease",
        configs={"ease": {"dropout": 0.0}},
        trials=3,
        parallel=1,
        minutes=5.0,
        metric="ndcg",
        k=5,
        relevant_rating=4.0,
        seed=1,
        dataset=dataset,
        tracking_uri=tracking_uri,
        experiment="components",
        search=search,
        report=report,
    )
    found, configs = best
    assert set(configs) == {found} <= {"item_knn", "ease"}
    assert "3 trials" in Path(report.path).read_text()
    run_id = tmp_path / "run_id"
    train_model.python_func(
        model=found,
        configs=configs,
        dataset=dataset,
        tracking_uri=tracking_uri,
        experiment="components",
        run_id=str(run_id),
    )
    params = connect(tracking_uri, experiment="components").client.get_run(run_id.read_text()).data.params
    assert all(params[f"model.{option}"] == str(value) for option, value in configs[found].items())


def test_a_model_goes_from_training_to_the_registry(
    dataset: dsl.Dataset, tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCREENTEST_EVENTS_URL", f"sqlite:///{tmp_path / 'events.db'}")
    run_ids = []
    for name in ("popularity", "ease"):
        run_id = tmp_path / f"{name}.run_id"
        train_model.python_func(
            model=name,
            configs={"ease": {"reg": 50.0}},
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment="components",
            run_id=str(run_id),
        )
        metrics, report = dsl.Metrics(uri=str(tmp_path / "metrics")), dsl.HTML(uri=str(tmp_path / f"{name}.html"))
        evaluated = evaluate_model.python_func(
            run_id=run_id.read_text(),
            k=5,
            relevant_rating=4.0,
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment="components",
            metrics=metrics,
            report=report,
        )
        assert evaluated == run_id.read_text()
        assert 0 < metrics.metadata["ndcg_at_5"] <= 1
        assert "<html" in Path(report.path).read_text()
        run_ids.append(evaluated)

    contestants = register_model.python_func(
        run_ids=run_ids,
        pair="popularity,ease",
        plant="none",
        gate_metric="ndcg",
        gate_threshold=0.01,
        k=5,
        relevant_rating=4.0,
        seed=1,
        dataset=dataset,
        tracking_uri=tracking_uri,
        model_name="recommender",
        experiment="components",
        leaderboard=dsl.HTML(uri=str(tmp_path / "leaderboard.html")),
    )

    tracker = connect(tracking_uri, experiment="components")
    champion, challenger = (version_for(tracker, "recommender", alias) for alias in (CHAMPION, CHALLENGER))
    assert champion is not None
    assert challenger is not None
    assert contestants[:2] == (champion.uri, challenger.uri)
    assert "popularity,ease" in contestants[2] or "named" in contestants[2]
    assert (champion.model, challenger.model) == ("popularity", "ease")
    assert len(list_versions(tracker, "recommender")) == 2
    assert "ease" in (tmp_path / "leaderboard.html").read_text()
    with opened(f"sqlite:///{tmp_path / 'events.db'}") as engine:
        kept = {row["version"]: row for row in latest_rows(engine, "models", limit=9)}
    assert {version: row["model"] for version, row in kept.items()} == {"1": "popularity", "2": "ease"}
    assert kept["2"]["metrics"]["ndcg_at_5"] == pytest.approx(metrics.metadata["ndcg_at_5"], abs=1e-6)
    provenance = kept["2"]["provenance"]
    assert (provenance["data.source"], kept["2"]["run_id"]) == (
        PreparedDataLoader(dataset.path).provenance().source,
        run_ids[1],
    )
    assert provenance["code.version"]


def test_an_unknown_model_makes_no_run(dataset: dsl.Dataset, tracking_uri: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown model 'alss'"):
        train_model.python_func(
            model="alss",
            configs={},
            dataset=dataset,
            tracking_uri=tracking_uri,
            experiment="components",
            run_id=str(tmp_path / "run_id"),
        )
    assert not (tmp_path / "run_id").exists()


@pytest.mark.parametrize("path", COMPONENTS, ids=lambda path: path.stem)
def test_a_component_is_thin(path: Path) -> None:
    """Nothing but kfp, the image's name and the standard library at the top; a body of at most 15 statements' lines."""
    tree = ast.parse(path.read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    imports = sum(isinstance(node, ast.ImportFrom) for node in function.body)

    assert imported <= {"kfp", "components", *sys.stdlib_module_names}
    assert len(function.body) - 1 - imports <= 15
    assert f"image={IMAGE!r}" not in path.read_text()


def test_every_component_is_in_a_pipeline() -> None:
    compiled = "".join(path.read_text() for path in (FOLDER.parent / "pipelines" / "compiled").glob("*.yaml"))

    for path in COMPONENTS:
        assert f"exec-{path.stem.replace('_', '-')}" in compiled
