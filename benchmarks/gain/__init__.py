"""The gain of video systems over their image model, on synthetic videos with known truth."""
