"""Identity providers whom this cloud trusts, and the protocols they speak."""
