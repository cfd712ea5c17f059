"""The keys that tokens are made with, as an operator sees them."""
