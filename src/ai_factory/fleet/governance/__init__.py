"""What the systems of a fleet are made of, and what a change of law, an incident or a search means for all of them."""
