"""What words mean: nouns as classes that picture models know."""
