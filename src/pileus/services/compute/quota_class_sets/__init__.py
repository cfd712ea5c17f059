"""Quota classes: the one that there is, `default`, counts for projects without quotas of their own."""
