"""What tests stand on: real servers and stand-ins. Nothing here asserts."""
