"""Compute: servers, flavors, keypairs."""
