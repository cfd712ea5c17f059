"""Networks: what ports are plugged into."""
