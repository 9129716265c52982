"""The preview under the mouse: when it is wanted, when the model is quick enough for it, how it is drawn."""
