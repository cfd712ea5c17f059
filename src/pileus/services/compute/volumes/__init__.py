"""Volumes and their snapshots, as Compute had them before 2.36."""
