"""Where objects may be: boxes without labels."""
