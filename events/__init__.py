"""The event log: exposures and outcomes, durable and aggregated to sufficient statistics."""
