"""Security groups, as Compute showed them before 2.36."""
