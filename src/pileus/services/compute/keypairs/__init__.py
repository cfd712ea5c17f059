"""Key pairs: public keys of users, to be given to their servers."""
