"""Labels from several annotators: read, aligned, screened, judged and merged into one label with its uncertainty."""
