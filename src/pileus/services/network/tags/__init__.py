"""Tags: words that people put on things."""
