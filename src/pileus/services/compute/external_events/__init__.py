"""Events that other services tell of servers."""
