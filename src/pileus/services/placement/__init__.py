"""Placement: what hosts have and who uses it."""
