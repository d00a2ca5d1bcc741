"""What real and simulated fields measure: the common ground of fitting and comparing."""
