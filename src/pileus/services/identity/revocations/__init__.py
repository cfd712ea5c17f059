"""What was said to be valid no longer."""
