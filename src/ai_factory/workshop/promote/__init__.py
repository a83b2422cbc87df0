"""What a team improved goes back into its factory: mapped, proven by a rendering, and put on a branch."""
