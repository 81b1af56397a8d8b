"""The web page of `rvos app`: visitors upload a video, enter expressions, and correct and download the masks."""
