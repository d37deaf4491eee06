"""A cluster of three RabbitMQ brokers on this machine, of which one is killed under load."""
