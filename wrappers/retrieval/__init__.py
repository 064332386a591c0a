"""Candidates before scores: how a model finds its best among so many items that scoring all of them takes too long."""
