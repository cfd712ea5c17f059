"""Inventories: how much of a resource class a provider has, and in which portions it is given away."""
