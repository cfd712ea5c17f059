"""Domains: projects that act as domains."""
