"""How fast, and for how many at a time: rates, fairness between peers, slots, slow mode."""
