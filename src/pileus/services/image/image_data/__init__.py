"""The bytes of images: up, down, and staged."""
