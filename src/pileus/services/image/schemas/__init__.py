"""Schemas: what documents of Image look like."""
