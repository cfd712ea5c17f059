"""Snapshots: a volume as it was in one moment."""
