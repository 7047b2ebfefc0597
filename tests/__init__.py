"""The tests. They mirror the modules of `app/`."""
