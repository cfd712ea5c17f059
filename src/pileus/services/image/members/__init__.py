"""Members: projects with which an image is shared."""
