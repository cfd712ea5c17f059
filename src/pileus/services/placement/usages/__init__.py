"""Usages: how much is used, counted from the allocations."""
