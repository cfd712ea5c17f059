"""Compute services: of each host the one that runs its guests."""
