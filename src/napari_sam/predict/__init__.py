"""From images and prompts to masks: loading, preparing, encoding, caching, decoding."""
