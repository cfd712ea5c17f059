"""The reshaper: inventories move to other providers together with what is used of them, all at once."""
