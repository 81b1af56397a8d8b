"""The commands of `rvos`, a file each. Nothing heavy is imported at the top of any of them."""
