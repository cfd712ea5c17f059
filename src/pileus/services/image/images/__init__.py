"""Images: what there is to boot from."""
