"""Logging in, and what a caller could log in to."""
