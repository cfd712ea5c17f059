"""Mappings: how what an identity provider says of somebody becomes a user, groups and roles here."""
