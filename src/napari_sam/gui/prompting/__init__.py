"""Points, shapes and masks as prompts: the layers they live in and the values read from them."""
