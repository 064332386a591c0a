"""What the features are, as Ibis expressions: tables in, a table out, no engine of their own.

Only constructs that mean the same on DuckDB and on Spark: epoch seconds, inequality joins and windows, guarded
division. Everything summed is an integer (``exact``), so that a sum is the same whatever the order and however many
threads.
"""
