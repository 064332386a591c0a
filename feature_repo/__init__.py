"""Features: what is computed of users and items, point-in-time correct, kept offline in Parquet and online in Redis."""
