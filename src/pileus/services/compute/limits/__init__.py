"""Limits: how much a project may use and uses, for its users."""
