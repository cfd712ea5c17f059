"""Default rules: what new security groups begin with."""
