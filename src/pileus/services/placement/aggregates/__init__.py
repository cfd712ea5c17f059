"""Aggregates: which providers belong together, for whoever drew the id of the aggregate."""
