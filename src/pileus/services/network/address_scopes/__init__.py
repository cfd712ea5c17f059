"""Address scopes: within one, no address is used twice."""
