"""Quota sets: how much of what a project may use, as Compute says it."""
