"""The kept results, one folder a device, and the verb that makes them anew."""
