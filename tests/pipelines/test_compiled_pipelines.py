"""The committed YAML is what the code compiles to, and KFP would take it."""

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig, PipelineSpec

from components.image import IMAGE
from core.errors import ConfigError
from pipelines.compile import PIPELINES, compile_pipeline, compiled_path, stale


def test_committed_pipelines_are_fresh() -> None:
    assert stale() == [], "run `screentest pipeline compile` and commit the result"


@pytest.fixture(params=PIPELINES)
def document(request: pytest.FixtureRequest) -> dict:
    return next(yaml.safe_load_all(compiled_path(request.param).read_text()))


def test_document_is_a_pipeline_spec(document: dict) -> None:
    spec = json_format.ParseDict(document, PipelineSpec())

    assert spec.pipeline_info.name == document["pipelineInfo"]["name"]
    for executor in document["deploymentSpec"]["executors"].values():
        json_format.ParseDict(executor, PipelineDeploymentConfig.ExecutorSpec())


def test_every_component_reference_exists(document: dict) -> None:
    named = set(document["components"])
    dags = [document["root"]["dag"], *(c["dag"] for c in document["components"].values() if "dag" in c)]
    used = {task["componentRef"]["name"] for dag in dags for task in dag["tasks"].values()}

    assert used <= named
    assert {c["executorLabel"] for c in document["components"].values() if "executorLabel" in c} == set(
        document["deploymentSpec"]["executors"]
    )


def test_steps_share_one_image_and_install_nothing(document: dict) -> None:
    containers = [e["container"] for e in document["deploymentSpec"]["executors"].values() if "container" in e]

    assert containers
    assert {container["image"] for container in containers} == {IMAGE}
    assert not any("pip install" in part for c in containers for part in c["command"])


def test_image_can_be_named() -> None:
    text = compile_pipeline("training", image="example/screentest-python:7")

    assert "image: example/screentest-python:7" in text
    assert IMAGE not in text


def test_a_cluster_can_be_told_where_to_keep_artifacts() -> None:
    document = next(yaml.safe_load_all(compile_pipeline("training", root="gs://bucket/kfp: 1")))

    assert json_format.ParseDict(document, PipelineSpec()).default_pipeline_root == "gs://bucket/kfp: 1"
    assert "defaultPipelineRoot" not in compile_pipeline("training")
    with pytest.raises(ConfigError, match=r"pipeline root 'runs' is no address; expected e.g. gs://"):
        compile_pipeline("training", root="runs")


def test_models_train_in_a_parallel_loop() -> None:
    document = yaml.safe_load(compiled_path("training").read_text())

    loops = [t for t in document["root"]["dag"]["tasks"].values() if "parameterIterator" in t]
    assert len(loops) == 1
    assert {"train-model", "evaluate-model"} <= set(
        document["components"][loops[0]["componentRef"]["name"]]["dag"]["tasks"]
    )
