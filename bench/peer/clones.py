"""Rows of the peer's database copied, where making as many by its API would take longer than all measurements.

A list costs by the rows that it reads: every table of which an entry of the list comes is copied. A clone is not for
anything but lists; no host knows of a cloned server.
"""

from __future__ import annotations

from uuid import uuid4

from bench.peer.openstack import OpenStack

OF_A_SERVER = ["extra", "info_caches", "system_metadata", "metadata"]  # instance_...
PREFIX = "clone"


def images(cloud: OpenStack, number: int) -> None:
    """Copies of the newest image without bytes."""
    source = one(cloud, "SELECT id FROM glance.images WHERE deleted = 0 ORDER BY created_at DESC LIMIT 1")
    many(cloud, [copied(cloud, "glance.images", "id", source, str(uuid4())) for _ in range(number)])


def servers(cloud: OpenStack, number: int) -> None:
    """Copies of the newest server that is active."""
    active = "deleted = 0 AND vm_state = 'active' AND hostname NOT LIKE 'clone-%'"
    source = one(cloud, f"SELECT uuid FROM nova_cell1.instances WHERE {active} ORDER BY id DESC LIMIT 1")
    statements = []
    for new in (str(uuid4()) for _ in range(number)):
        names = {"display_name": f"'{PREFIX}-{new}'", "hostname": f"'{PREFIX}-{new}'"}
        statements.append(copied(cloud, "nova_cell1.instances", "uuid", source, new, names))
        for table in OF_A_SERVER:
            statements.append(copied(cloud, f"nova_cell1.instance_{table}", "instance_uuid", source, new))
        volumes = "nova_cell1.block_device_mapping"
        statements.append(copied(cloud, volumes, "instance_uuid", source, new, {"uuid": "UUID()"}))
        statements.append(copied(cloud, "nova_api.instance_mappings", "instance_uuid", source, new))
    many(cloud, statements)


def no_servers(cloud: OpenStack) -> None:
    """The copies are gone again: no host can delete what it does not have."""
    for table, key in [
        *((f"nova_cell1.instance_{table}", "instance_uuid") for table in OF_A_SERVER),
        ("nova_cell1.block_device_mapping", "instance_uuid"),
        ("nova_api.instance_mappings", "instance_uuid"),
    ]:
        ids = f"SELECT uuid FROM nova_cell1.instances WHERE hostname LIKE '{PREFIX}-%'"
        cloud.sql(f"DELETE FROM {table} WHERE {key} IN ({ids})")
    cloud.sql(f"DELETE FROM nova_cell1.instances WHERE hostname LIKE '{PREFIX}-%'")


def copied(cloud: OpenStack, table: str, key: str, old: str, new: str, changes: dict[str, str] | None = None) -> str:
    """The statement that copies the rows of `old`, as those of `new`."""
    values = {key: f"'{new}'", **(changes or {})}
    names = columns(cloud, table)
    taken = ", ".join(values.get(name, f"`{name}`") for name in names)
    listed = ", ".join(f"`{name}`" for name in names)
    return f"INSERT INTO {table} ({listed}) SELECT {taken} FROM {table} WHERE {key} = '{old}'"


def columns(cloud: OpenStack, table: str) -> list[str]:
    """Those that are written: neither counted up nor derived."""
    if table not in cloud.columns:
        schema, _, name = table.partition(".")
        written = "extra NOT LIKE '%auto_increment%' AND COALESCE(generation_expression, '') = ''"
        where = f"table_schema = '{schema}' AND table_name = '{name}' AND {written}"
        said = cloud.sql(f"SELECT column_name FROM information_schema.columns WHERE {where} ORDER BY ordinal_position")
        cloud.columns[table] = said.split()
    return cloud.columns[table]


def one(cloud: OpenStack, query: str) -> str:
    return cloud.sql(query).strip()


def many(cloud: OpenStack, statements: list[str]) -> None:
    cloud.sql(";\n".join(["BEGIN", *statements, "COMMIT"]))
