"""An experiment over time: periods, sessions, novelty, carry-over, anomalies, CUSUM, regret."""
