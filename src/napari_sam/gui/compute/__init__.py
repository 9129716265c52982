"""What is computed, off the Qt thread: jobs, the engine that answers them, candidates."""
