"""Long operations, as an operator sees them: what runs, what waits for what, what is parked and why."""
