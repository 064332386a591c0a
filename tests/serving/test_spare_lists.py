import orjson

from serving.routing import Contestant
from serving.spare_lists import REFRESH_S, PopularList, RememberedLists, spare

HERE, THERE = Contestant("http://here", "1"), Contestant("http://there", "2")


def answer(*items: str) -> bytes:
    return orjson.dumps({"items": [{"item_id": item} for item in items], "model_version": "1"})


def found(lists: RememberedLists, user: str, *servers: Contestant) -> list[str]:
    return [item["item_id"] for item in lists.find(user, servers or (HERE,))]


def test_the_last_list_of_a_user_is_found_unless_its_maker_is_withdrawn() -> None:
    lists = RememberedLists()
    assert found(lists, "u") == []
    lists.keep("u", HERE, answer("a"))
    lists.keep("u", THERE, answer("b", "c"))
    assert found(lists, "u", HERE, THERE) == ["b", "c"]
    assert found(lists, "u", HERE) == []
    assert found(lists, "v", HERE, THERE) == []


def test_memory_is_bounded_by_users_and_by_bytes() -> None:
    few = RememberedLists(max_users=2)
    for user in "abac":
        few.keep(user, HERE, answer(user))
    assert [found(few, user) for user in "abc"] == [["a"], [], ["c"]], "b was asked for longest ago"
    size = len(answer("x"))
    small = RememberedLists(max_bytes=3 * size)
    for number in range(1000):
        small.keep(str(number % 7), HERE, answer("x"))
        assert len(small) <= 3
    small.keep("9", HERE, answer(*"x" * 100))
    assert len(small) == 0, "longer than all that may be kept"
    small.keep("1", HERE, answer("x"))
    assert found(small, "1") == ["x"]


def test_a_popular_list_stays_until_there_is_another() -> None:
    popular = PopularList()
    assert popular.stale(HERE, 0.0)
    popular.keep(HERE, [{"item_id": 1}], 100.0)
    assert (popular.stale(HERE, 101.0), popular.stale(THERE, 101.0)) == (False, True)
    assert popular.stale(HERE, 100.1 + REFRESH_S)
    popular.keep(THERE, [], 300.0)
    assert popular.items == [{"item_id": 1}]


def test_a_spare_list_is_as_long_as_asked_for_or_as_there_is() -> None:
    items = [{"item_id": number} for number in range(5)]
    short, whole = spare(items, 2), spare(items, 10)
    assert short is not None
    assert whole is not None
    assert (short.item_ids, whole.item_ids) == ([0, 1], [0, 1, 2, 3, 4])
    assert (short.features, spare([], 10)) == (None, None)


def test_reasons_come_back_in_the_language_they_were_asked_for_in_alone() -> None:
    lists = RememberedLists()
    item = {"item_id": 1, "score": 0.5, "reason": "왜냐하면", "confidence": 0.7}
    lists.keep("u", HERE, orjson.dumps({"items": [item]}), "ko")
    assert lists.find("u", [HERE], "ko") == [item]
    for other in ("en", None):
        assert lists.find("u", [HERE], other) == [{"item_id": 1, "score": 0.5}]
