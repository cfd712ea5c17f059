"""Quota sets and limits: how much of what a project may use, as Block Storage says it."""
