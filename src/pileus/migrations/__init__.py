"""The history of the schema, for Alembic. See pileus.kernel.migrate."""
