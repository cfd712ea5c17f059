"""Transfers: a volume given to whoever knows the key."""
