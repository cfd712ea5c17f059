"""Host aggregates: hosts that have something in common; and the zones that are made of them."""
