"""Fixtures of the command line's tests."""

from __future__ import annotations

from tests.mlflow_on_sqlite import empty_database as empty_database
from tests.mlflow_on_sqlite import environment_put_back as environment_put_back
from tests.mlflow_on_sqlite import tracker as tracker
