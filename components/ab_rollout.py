"""ab-rollout: put champion and challenger behind servers, send traffic, decide, promote or roll back."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ab_rollout(
    experiment_spec: dict,
    plant: str,
    seed: int,
    n_visitors: int,
    connections: int,
    deployer: str,
    run_dir: str,
    dataset: dsl.Input[dsl.Dataset],
    tracking_uri: str,
    experiment: str,
    model_name: str,
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
) -> str:
    """Run one rollout to its decision; a killed one resumes from its run folder.

    Args:
        experiment_spec: The experiment spec (experiments/spec.py).
        plant: none, aa, uplift, damage or shuffle.
        seed: Seed of the simulated visitors.
        n_visitors: How many there are.
        connections: Sessions at a time.
        deployer: Name in serving/deployers/registry.py.
        run_dir: Folder of the event log and the rollout's state.
        dataset: What get-data wrote; the simulated visitors' tastes come from it.
        tracking_uri: MLflow's address.
        experiment: MLflow experiment to log to.
        model_name: The registered model whose aliases follow the decision.
        metrics: Receives the final figures.
        report: Receives the verdict in words and pictures.

    Returns:
        The decision: promote, rollback, keep or invalid.
    """
    from serving.live_rollout import RolloutRequest, run_rollout

    request = RolloutRequest.build(
        spec=experiment_spec,
        plant=plant,
        seed=seed,
        n_visitors=n_visitors,
        connections=connections,
        deployer=deployer,
        run_dir=run_dir,
        dataset=dataset.path,
        tracking_uri=tracking_uri,
        experiment=experiment,
        model_name=model_name,
    )
    finished = run_rollout(request)
    for name, value in finished.figures().items():
        metrics.log_metric(name, value)
    with open(report.path, "w", encoding="utf-8") as page:
        page.write(finished.html)
    return finished.result.decision
