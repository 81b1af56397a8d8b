"""The page: a film, some expressions, and what they mean, for visitors with a browser."""
