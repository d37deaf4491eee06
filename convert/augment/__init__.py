"""How a face may look otherwise without another expression: augmentation for training, corruption for evaluation."""
