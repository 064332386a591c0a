"""Comparing arms: sufficient statistics, estimates, tests, intervals, less variance, several tests at once."""
