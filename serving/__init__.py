"""Model servers, the policy server, the deployers and the rollout controller."""
