"""Quotas: how much a project may have of each noun."""
