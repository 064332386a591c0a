"""The packed row: exact bytes there, the same numbers back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from core.errors import FeatureStoreError
from feature_repo import packed
from feature_repo.packed import decode, encode, layout_key, read_packed, user_key, write_packed
from feature_repo.redis_client import connect
from tests.real_redis import real_redis


@given(rows=arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(width=32)))
def test_rows_come_back_as_they_were(rows: np.ndarray) -> None:
    back = [decode(blob, rows.shape[1]) for blob in encode(rows)]

    np.testing.assert_array_equal(np.stack(back), rows)


def test_the_bytes_are_little_endian_float32() -> None:
    (blob,) = encode(np.array([[1.0, np.nan]], dtype=np.float32))

    assert blob[:4] == b"\x00\x00\x80\x3f"
    assert np.isnan(decode(blob, 2)[1])


def test_a_blob_of_another_layout_is_refused() -> None:
    with pytest.raises(FeatureStoreError, match=r"packed features of 8 bytes, expected 12 \(3 float32\)"):
        decode(b"12345678", 3)


def test_keys() -> None:
    assert user_key("abc", 17) == user_key("abc", "17") == "screentest:features:abc:user:17"
    assert layout_key("abc") == "screentest:features:abc:layout"


def test_what_is_written_is_read(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_CHUNK", 2)
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)
    with connect(redis_url, timeout_s=5) as client:
        write_packed(client, "abc", ["1", "2", "3", "4", "5"], rows, '{"genres": []}')

        found = read_packed(client, "abc", ["5", "nobody", "1"], 3)
        np.testing.assert_array_equal(found, [rows[4], [np.nan] * 3, rows[0]])
        assert client.get(layout_key("abc")) == b'{"genres": []}'
        assert read_packed(client, "abc", [], 3).shape == (0, 3)
        assert np.isnan(read_packed(client, "another version", ["1"], 3)).all()

        write_packed(client, "abc", ["2"], rows[:1])
        np.testing.assert_array_equal(read_packed(client, "abc", ["2", "3"], 3), rows[[0, 2]])
        assert client.get(layout_key("abc")) is not None


def test_the_layout_says_that_a_version_is_complete(tmp_path: Path) -> None:
    """It is written last, so whoever finds it finds the rows."""
    with real_redis(tmp_path) as server, server.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.RedisError):
                write_packed(client, "abc", ["1"], np.zeros((1, 3), dtype=np.float32), "{}")
        finally:
            client.config_set("maxmemory", 0)
        assert not client.exists(layout_key("abc"))
