"""Migrations: how servers went from host to host."""
