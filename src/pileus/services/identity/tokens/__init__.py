"""Tokens: made, read, validated, revoked."""
