"""Referring datasets: annotations -> records -> samples -> batches. Adapters read public layouts."""
