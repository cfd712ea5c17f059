"""The number that says whether anything that decides about tokens has changed."""
