"""The expression studio's speed."""
