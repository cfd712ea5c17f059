"""Imports: data that are fetched, or were staged, become an image's in an operation."""
