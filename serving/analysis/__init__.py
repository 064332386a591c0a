"""The analysis of an experiment, from rows or from the event log to figures, sentences and a document."""
