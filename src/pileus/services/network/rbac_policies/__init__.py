"""RBAC policies: what a project lets others use."""
