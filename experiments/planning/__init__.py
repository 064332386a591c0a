"""Before an experiment: baselines, power, sample size, duration, whole designs."""
