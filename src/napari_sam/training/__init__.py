"""SAM's training: losses, simulated prompts, data, and the loop."""
