"""The whole state of a simulated cloud, kept under a name and put back by one call."""
