"""Images, as Compute showed them before 2.36."""
