"""An update on its way to the projects of a fleet: plan, workers, pull requests, rings, journal."""
