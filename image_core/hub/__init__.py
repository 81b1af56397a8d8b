"""Networks of other people, read by transformers from the Hugging Face hub or from a folder in its format."""
