"""What a run leaves on disk: the log, the pictures, the videos, and the folder that holds them."""
