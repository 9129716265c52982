"""Images in, labels and masks out."""
