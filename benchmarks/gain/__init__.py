"""What time adds to an image model, on synthetic videos whose truth is known."""
