"""Logging in by passcodes that a device shows, each good once."""
