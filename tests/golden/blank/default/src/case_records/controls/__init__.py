"""The controls that come from the factory: they import nothing of the team's code."""
