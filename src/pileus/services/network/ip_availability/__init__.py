"""How many addresses networks have, and how many are in use."""
