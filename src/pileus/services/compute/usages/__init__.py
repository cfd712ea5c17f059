"""Usage: what servers have used in a span of time, derived from their rows."""
