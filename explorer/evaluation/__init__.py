"""Is a map faithful, stable, about the model, and in the right place: the paper's section 4."""
