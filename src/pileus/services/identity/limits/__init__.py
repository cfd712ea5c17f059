"""Limits: how much one project or domain may use, where that is not the registered limit."""
