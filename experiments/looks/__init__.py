"""Looking more than once: confidence sequences, group-sequential tests, early stopping, and their guarantees."""
