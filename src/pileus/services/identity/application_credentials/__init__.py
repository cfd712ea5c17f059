"""Application credentials: what a program logs in with, for some of a user's roles in one project; and their access rules."""
