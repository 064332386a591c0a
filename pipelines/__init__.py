"""The DAGs, their compilation and their local runner."""
