"""Published networks, loaded with transformers from the Hugging Face hub or from a folder in its format."""
