"""The machines that hold engines, as an operator sees them."""
