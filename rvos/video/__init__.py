"""Videos in and out: `reader.open_video`, `writer.VideoWriter`. Settings of a video are read without either."""
