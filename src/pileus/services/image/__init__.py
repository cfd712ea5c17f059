"""Image: images and their data."""
