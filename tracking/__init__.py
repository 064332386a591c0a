"""MLflow: runs, the model registry, aliases and the provenance of a run."""
