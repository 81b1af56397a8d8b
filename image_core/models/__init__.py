"""Referring image segmentation systems: one file = one paper; `base` is the law they obey, `table` lists them."""
