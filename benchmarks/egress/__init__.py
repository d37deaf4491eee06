"""The proof that no picture leaves: the real device process under strace, and every byte it wrote accounted for."""
