"""Credentials: secrets that Identity keeps for users, sealed."""
