"""Server groups: servers that shall be together, or apart."""
