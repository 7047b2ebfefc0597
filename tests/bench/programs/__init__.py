"""The programs that ours are compared with, and the wrapper that measures memory. They are copied, never
imported.
"""
