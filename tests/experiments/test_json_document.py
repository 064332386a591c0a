"""Results as plain JSON values."""

from __future__ import annotations

import json
import math

from experiments.json_document import json_document


def test_what_json_has_no_number_for_is_null() -> None:
    fields = {"a": 1.5, "b": math.nan, "c": math.inf, "d": -math.inf, "e": None, "f": True, "g": "ok", "h": 3}
    document = json_document(fields)
    assert document == {"a": 1.5, "b": None, "c": None, "d": None, "e": None, "f": True, "g": "ok", "h": 3}
    assert json.loads(json.dumps(document, allow_nan=False)) == document
