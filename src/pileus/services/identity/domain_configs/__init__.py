"""What a domain says about where its users are kept."""
