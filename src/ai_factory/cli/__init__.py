"""Options, prompts, colours, progress and exit codes; one small file a command group, no logic."""
