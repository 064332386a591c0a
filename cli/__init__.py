"""The screentest command: the composition root."""
