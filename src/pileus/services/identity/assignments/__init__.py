"""Who has which role on what."""
