"""What a referring expression says, by rules: words to tokens to a referent with its relations."""
