"""What users' files and moments do: mutated files, and kills."""
