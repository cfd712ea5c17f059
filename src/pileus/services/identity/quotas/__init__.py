"""Quotas as the services say them, kept as limits."""
