"""The commands of `rvos`, one per file. Heavy packages are imported inside the functions, not at the top."""
