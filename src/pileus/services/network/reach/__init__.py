"""Whether a port can be reached, and what is in the way."""
