"""Traits: what can be said of a provider."""
