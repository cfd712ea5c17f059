"""How Alembic runs our revisions: on the connection and in the transaction that `pileus.kernel.migrate` gives it."""

from alembic import context

from pileus.kernel.db.base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=True,  # SQLite cannot alter most things of a table in place
)
with context.begin_transaction():
    context.run_migrations()
