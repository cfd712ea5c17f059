"""Tasks: imports, as Glance tells of them. They are the operations themselves: nothing is kept twice."""
