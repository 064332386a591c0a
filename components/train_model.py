"""train-model: fit one model of the registry and log it to MLflow."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_model(
    model: str,
    configs: dict,
    dataset: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    experiment: str,
    run_id: dsl.OutputPath(str),
) -> None:
    """Train a model and log its artifact, parameters and provenance as one MLflow run.

    Args:
        model: Name in wrappers/registry.py.
        configs: Hyperparameters by model name; a model without an entry takes its defaults.
        dataset: What get-data wrote.
        tracking_uri: MLflow's address.
        experiment: MLflow experiment to log to.
        run_id: Receives the id of the MLflow run.
    """
    from core.settings import load_settings
    from loaders.prepared import PreparedDataLoader
    from wrappers.lifecycle import train_and_log

    trained = train_and_log(
        model,
        PreparedDataLoader(dataset.path),
        configs.get(model, {}),
        tracking_uri=tracking_uri,
        experiment=experiment,
        artifact_root=load_settings().artifact_root,
    )
    with open(run_id, "w", encoding="utf-8") as output:
        output.write(trained)
