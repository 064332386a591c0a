"""The management API of the policy server: everything beside the hot path, answered by FastAPI."""
