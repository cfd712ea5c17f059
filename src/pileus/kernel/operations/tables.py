"""The rows of operations. This package alone writes them."""

from __future__ import annotations

import sqlalchemy as sa

from pileus.kernel.db.base import JSON, Text, metadata

LIVE = ("running", "undoing")
FACTS = "facts"  # the event whose note is for administrators alone: what is known of the failure above it
HELD = 253_402_300_799.0  # a wake_at at the end of the year 9999: waits for nothing but a ring

operations = sa.Table(
    "operation",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("saga", Text, nullable=False),  # name@version
    sa.Column("kind", Text, nullable=False),  # exclusive | converge
    sa.Column("state", Text, nullable=False),  # running | undoing | parked | done | undone
    sa.Column("step", Text, nullable=False),  # the step to run, or to undo, next
    sa.Column("subject_id", sa.Uuid, nullable=False, index=True),
    sa.Column("parent_id", sa.Uuid),
    sa.Column("project_id", Text),
    sa.Column("request_id", Text, nullable=False),
    sa.Column("caller", JSON, nullable=False),  # in whose name it runs: Caller.as_dict
    sa.Column("memo", JSON, nullable=False),  # the arguments, and what each step returned under its name
    sa.Column("secrets", sa.LargeBinary),  # sealed; erased when the operation ends
    sa.Column("cancel", sa.Boolean, nullable=False),
    sa.Column("successor", JSON),  # the operation that this one turns into when it ends
    sa.Column("cause", Text),  # why it unwinds, waits, or is parked
    sa.Column("progress", JSON),  # {"percent": 0..100 | null, "note": text} of what it waits for
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("spent_s", sa.Double, nullable=False),  # of the current step's deadline
    sa.Column("waiting_since", sa.Double, nullable=False),  # stamp of the last release; 0 = it does not wait
    sa.Column("pause_s", sa.Double, nullable=False),  # how long it then meant to wait
    sa.Column("wake_at", sa.Double, nullable=False),  # stamp; 0 = at once, also when it is rung while somebody holds it
    sa.Column("holder", sa.Uuid),  # the worker that has it leased
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
)
# in words, not as parameters: a list of those is written out anew each time, and hides the index from the planner
is_live = operations.c.state.in_([sa.literal_column(f"'{state}'", Text) for state in LIVE])
is_due = sa.and_(is_live, operations.c.holder.is_(None))
sa.Index("operation_due", operations.c.wake_at, sqlite_where=is_due, postgresql_where=is_due)
is_held = operations.c.holder.is_not(None)
sa.Index("operation_held", operations.c.holder, sqlite_where=is_held, postgresql_where=is_held)
is_converging = sa.and_(operations.c.kind == "converge", operations.c.state.in_(("running", "parked")))
sa.Index(
    "operation_one_converge",
    operations.c.saga,
    operations.c.subject_id,
    unique=True,
    sqlite_where=is_converging,
    postgresql_where=is_converging,
)
is_ended = operations.c.ended_at.is_not(None)
sa.Index("operation_ended", operations.c.ended_at, sqlite_where=is_ended, postgresql_where=is_ended)

subjects = sa.Table(
    "operation_subject",
    metadata,
    sa.Column("subject_id", sa.Uuid, primary_key=True),
    sa.Column("operation_id", sa.Uuid, sa.ForeignKey("operation.id"), nullable=False, index=True),
    sa.Column("follower", JSON),  # the operation that begins when this subject is given free
)

log = sa.Table(
    "operation_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("operation_id", sa.Uuid, nullable=False, index=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("step", Text, nullable=False),
    sa.Column(
        "event", Text, nullable=False
    ),  # started | done | retry | failed | undone | cancelled | parked | facts | ended | ...
    sa.Column("took_ms", sa.Double, nullable=False),
    sa.Column("note", Text),
)

workers = sa.Table(
    "worker",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),  # raised by each renewal; observers watch whether it moves
    sa.Column("name", Text, nullable=False),
    sa.Column("started_at", sa.Double, nullable=False),
)

fences = sa.Table(
    "operation_fence",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

debts = sa.Table(
    "host_debt",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("host", Text, nullable=False, index=True),
    sa.Column("engine", Text, nullable=False),
    sa.Column("verb", Text, nullable=False),
    sa.Column("subject_id", sa.Uuid, nullable=False, index=True),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("operation_id", sa.Uuid, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("paid_at", sa.Double),
)
