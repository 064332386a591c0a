import pytest

from core.errors import BadInput
from serving.policy_replies import Replies, Reply


def test_the_first_list_answered_to_a_key_stands() -> None:
    replies = Replies()
    assert replies.find("k", "u") is None
    assert replies.keep("k", Reply("u", b"first")).body == b"first"
    assert replies.keep("k", Reply("u", b"second")).body == b"first"
    assert replies.keep("k", Reply("u", b"")).body == b"first"
    assert replies.find("k", "u") == Reply("u", b"first")


def test_a_failure_gives_way_to_a_list() -> None:
    replies = Replies()
    replies.keep("k", Reply("u", b""))
    assert replies.find("k", "u") == Reply("u", b"")
    assert replies.keep("k", Reply("u", b"list")).body == b"list"
    assert replies.find("k", "u") == Reply("u", b"list")


def test_a_key_is_one_users() -> None:
    replies = Replies()
    replies.keep("k", Reply("u", b"list"))
    with pytest.raises(BadInput, match="'k' was used for another user"):
        replies.find("k", "v")


def test_the_oldest_go_first_by_number_and_by_size() -> None:
    replies = Replies(max_replies=3, max_bytes=10)
    for number in range(5):
        replies.keep(str(number), Reply("u", b"x"))
    assert [number for number in range(5) if replies.find(str(number), "u")] == [2, 3, 4]
    replies.keep("large", Reply("u", b"x" * 9))
    assert [number for number in range(5) if replies.find(str(number), "u")] == [4]
    assert replies.keep("too large", Reply("u", b"x" * 11)).body == b"x" * 11
    assert replies.find("too large", "u") is None


def test_a_forgotten_key_is_new_and_its_room_free() -> None:
    replies = Replies(max_bytes=10)
    replies.keep("k", Reply("u", b"x" * 10))
    replies.forget("k")
    replies.forget("never heard of")
    replies.keep("l", Reply("u", b"x" * 5))
    replies.keep("m", Reply("u", b"x" * 5))
    assert [key for key in "klm" if replies.find(key, "u")] == ["l", "m"]
