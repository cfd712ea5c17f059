"""Resource providers: who has what can be used; a tree for each host, with its parts below."""
