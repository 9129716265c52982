"""The networks: image encoders, prompt encoder, mask decoder. Imports torch and nothing else."""
