"""What is watched while everything runs: live traffic, the event log, what a worker does on a timer."""
