"""Bandits: policies that learn which arm to show while they show it, one file each; names in ``registry.py``."""
