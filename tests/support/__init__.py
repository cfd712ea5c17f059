"""What tests stand on: a PostgreSQL server of their own, empty databases, a whole cloud, and the programs beside it."""
