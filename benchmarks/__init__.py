"""What is measured, and the figures that came of it: `python -m benchmarks.<folder>.<name>` from the repository
root.

README.md in this folder lists every question with its command and its result. The folders with questions import
`harness` and nothing of each other.
"""
