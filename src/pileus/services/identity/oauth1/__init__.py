"""OAuth 1.0a: users lend some of their roles in a project to consumers, which sign their requests."""
