"""Words without pictures: expressions parsed, nouns as classes that picture models know, predicates over boxes."""
