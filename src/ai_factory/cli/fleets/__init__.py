"""`ai-factory fleet`: one small file a command."""
