"""evaluate-model: judge one trained model on the held-out ratings."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate_model(
    run_id: str,
    k: int,
    relevant_rating: float,
    dataset: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    experiment: str,
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Log ranking metrics at k and coverage to the model's MLflow run.

    Args:
        run_id: What train-model returned.
        k: Length of a recommended list.
        relevant_rating: A held-out rating of at least this is relevant.
        dataset: What get-data wrote.
        tracking_uri: MLflow's address.
        experiment: MLflow experiment that the run is in.
        metrics: Receives the means over users.
        report: Receives tables and charts.

    Returns:
        The run id, so that later steps wait for the evaluation.
    """
    from loaders.prepared import PreparedDataLoader
    from wrappers.lifecycle import evaluate_and_log

    evaluated = evaluate_and_log(
        run_id,
        PreparedDataLoader(dataset.path),
        k=k,
        relevant_rating=relevant_rating,
        tracking_uri=tracking_uri,
        experiment=experiment,
    )
    for name, value in evaluated.means.items():
        metrics.log_metric(name, value)
    with open(report.path, "w", encoding="utf-8") as page:
        page.write(evaluated.html)
    return run_id
