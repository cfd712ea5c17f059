"""Subnets: the addresses of a network."""
