"""Making weights: how a picture may vary, the backbone's training, sequences of embeddings, the head's training."""
