"""What stands between wishes and OVN's database, without a database."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pileus.engines.overlay.ovn.draft import Draft, Ref, Row
from pileus.engines.overlay.ovn.ovsdb import Messages
from pileus.engines.overlay.ovn.replica import Replica, Uuid, column, on_wire

texts = st.text(alphabet='{}"\\[]:,a\n\u20ac')
objects = st.dictionaries(texts, st.one_of(texts, st.integers(), st.lists(texts, max_size=3)), max_size=4)


@given(messages=st.lists(objects, max_size=5), size=st.integers(1, 40))
def test_a_stream_is_cut_where_its_messages_end(messages: list[dict[str, Any]], size: int) -> None:
    stream = b"".join(json.dumps(message).encode() for message in messages)
    cutter, found = Messages(), []
    for at in range(0, len(stream), size):
        found += [json.loads(each) for each in cutter.feed(stream[at : at + size])]
    assert found == messages


def test_a_column_comes_back_as_it_went() -> None:
    for wire in (["map", [["a", "b"]]], ["set", ["a", "b"]], ["set", []], ["set", [["uuid", "x"]]]):
        assert json.loads(json.dumps(on_wire(column(wire)))) == wire
    assert column(5) == column(["set", [5]])


def switch(**more: Any) -> Row:
    return Row("Logical_Switch", "network/1", {"name": "one", **more})


def port(key: str = "port/1", **more: Any) -> Row:
    return Row("Logical_Switch_Port", key, {"name": key, **more}, within=Ref("Logical_Switch", "network/1"))


def database(*rows: tuple[str, str, dict[str, Any]]) -> Replica:
    replica = Replica()
    for table, uuid, columns in rows:
        replica.update({table: {uuid: {"new": columns}}})
    return replica


def keyed(key: str) -> list[Any]:
    return ["map", [["pileus", key]]]


def test_nothing_is_written_where_all_is_as_wished() -> None:
    there = database(
        ("Logical_Switch", "s", {"name": "one", "external_ids": keyed("network/1"), "ports": ["set", [["uuid", "p"]]]}),
        ("Logical_Switch_Port", "p", {"name": "port/1", "external_ids": keyed("port/1")}),
    )
    draft = Draft(there)
    draft.ensure("network/1", [switch()])
    draft.ensure("port/1", [port()])
    assert draft.operations == []


def test_only_what_differs_is_written() -> None:
    draft = Draft(database(("Logical_Switch", "s", {"name": "two", "external_ids": keyed("network/1")})))
    draft.put(switch())
    (operation,) = draft.operations
    assert (operation["op"], operation["row"]) == ("update", {"name": ["set", ["one"]]})


def test_a_row_whose_key_was_wiped_is_taken_back() -> None:
    draft = Draft(database(("Logical_Switch", "s", {"name": "one", "external_ids": ["map", []]})))
    draft.put(switch())
    assert [(each["op"], list(each["row"])) for each in draft.operations] == [("update", ["external_ids"])]


def test_a_row_goes_where_it_belongs_and_nowhere_else() -> None:
    there = database(
        ("Logical_Switch", "s", {"name": "one", "external_ids": keyed("network/1")}),
        ("Logical_Switch", "t", {"name": "wrong", "ports": ["uuid", "p"]}),
        ("Logical_Switch_Port", "p", {"name": "port/1", "external_ids": keyed("port/1")}),
    )
    draft = Draft(there)
    draft.put(port())
    assert [(each["where"][0][2][1], each["mutations"][0][1]) for each in draft.operations] == [
        ("t", "delete"),
        ("s", "insert"),
    ]


def test_what_is_no_longer_wished_goes() -> None:
    there = database(
        ("Logical_Switch", "s", {"name": "one", "external_ids": keyed("network/1")}),
        ("DHCP_Options", "d", {"cidr": "10.0.0.0/24", "external_ids": keyed("network/1/dhcp/2")}),
        ("DHCP_Options", "other", {"cidr": "10.0.0.0/24", "external_ids": keyed("network/2/dhcp/2")}),
    )
    draft = Draft(there)
    draft.ensure("network/1", [switch()])
    assert [(each["op"], each["where"]) for each in draft.operations] == [("delete", [["_uuid", "==", ["uuid", "d"]]])]


def test_a_draft_sees_what_it_has_drafted() -> None:
    draft = Draft(database())
    draft.put(switch())
    draft.put(switch())
    found = draft.put(port())
    assert draft.put(port()) == found
    assert [each["op"] for each in draft.operations] == ["insert", "insert", "mutate"]
    assert draft.holders(found, "Logical_Switch") == [draft.find(Ref("Logical_Switch", "network/1"))]
    draft.drop("Logical_Switch_Port", found)
    assert draft.find(Ref("Logical_Switch_Port", "port/1")) is None


def test_a_replica_forgets_what_is_gone() -> None:
    there = database(
        ("Logical_Switch", "s", {"name": "one", "external_ids": keyed("network/1"), "ports": ["uuid", "p"]})
    )
    there.update({"Logical_Switch": {"s": {"old": {}}}})
    assert (there.by_key, there.by_name, dict(there.owned), dict(there.holders)) == ({}, {}, {}, {})
    assert not there.tables["Logical_Switch"]
    assert Uuid("s").wire == ["uuid", "s"]
