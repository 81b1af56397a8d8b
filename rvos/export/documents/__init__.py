"""Files of annotation that other tools open: each is written from what a run recorded, without the video."""
