"""Address groups: addresses that rules of security groups name together."""
