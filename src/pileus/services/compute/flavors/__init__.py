"""Flavors: the sizes that servers come in, and what is said beside their size."""
