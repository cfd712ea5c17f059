"""EC2 credentials, and what is signed with them."""
