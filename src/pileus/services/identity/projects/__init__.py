"""Projects, and the domains that hold them: one tree, one table."""
