"""The rollout pipeline: an A/B test on simulated traffic that ends in a decision."""

from kfp import dsl

from components.ab_rollout import ab_rollout


@dsl.pipeline(name="rollout", description="Canary steps with a concurrent control, decided by an always-valid test.")
def rollout(
    dataset_uri: str,
    experiment_spec: dict,
    run_dir: str,
    plant: str = "none",
    seed: int = 42,
    n_visitors: int = 40000,
    connections: int = 24,
    deployer: str = "local",
    tracking_uri: str = "",
    experiment: str = "screentest",
    model_name: str = "recommender",
) -> str:
    """Audition the challenger against the champion and act on the decision."""
    dataset = dsl.importer(artifact_uri=dataset_uri, artifact_class=dsl.Dataset, reimport=False)
    finished = ab_rollout(
        experiment_spec=experiment_spec,
        plant=plant,
        seed=seed,
        n_visitors=n_visitors,
        connections=connections,
        deployer=deployer,
        run_dir=run_dir,
        dataset=dataset.output,
        tracking_uri=tracking_uri,
        experiment=experiment,
        model_name=model_name,
    )
    return finished.outputs["Output"]
