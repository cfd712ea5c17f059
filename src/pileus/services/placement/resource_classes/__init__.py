"""Resource classes: what can be counted."""
