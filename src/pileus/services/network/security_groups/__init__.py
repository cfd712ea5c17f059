"""Security groups: who may talk to the ports that are in them."""
