"""Identity v2.0, for old scripts: the default domain alone, and only to log in and to see what that brought."""
