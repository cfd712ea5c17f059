"""What Compute had once: each of these answers that it is gone."""
