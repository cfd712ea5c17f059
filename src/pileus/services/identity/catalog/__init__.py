"""The catalogue as a token shows it."""
