"""Registered limits: how much a project may use of a resource, unless it has a limit of its own."""
