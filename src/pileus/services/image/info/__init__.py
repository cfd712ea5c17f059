"""What this Image can do, and how much of it is used."""
