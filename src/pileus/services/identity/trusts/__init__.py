"""Trusts: a user lets another one act with some of its roles in one project."""
