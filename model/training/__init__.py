"""Making a checkpoint: rows, features, folds, fits."""
