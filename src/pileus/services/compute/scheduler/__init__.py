"""Where a server goes, and why it can't go anywhere."""
