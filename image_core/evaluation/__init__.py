"""Still images: an image model over a set of them, scored by the rules of papers, into a folder."""
