"""One label from several annotators' ratings."""
