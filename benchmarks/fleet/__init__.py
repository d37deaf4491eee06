"""A fleet against one broker: thousands of connections that say what real devices say, and nothing behind them."""
