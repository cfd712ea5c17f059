"""Volumes: made, grown, filled anew, and gone."""
