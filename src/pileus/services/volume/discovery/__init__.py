"""What a client finds out before it asks: extensions, filters, zones."""
