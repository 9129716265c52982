"""What of an image is shown and handed to the model: image, plane, contrast."""
