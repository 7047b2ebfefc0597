"""What the operator's commands do: migrate, verify, ingest, index, back up. A layer of its own at the top,
beside `web`.

Nothing imports it but `scripts/` and tests. The official SDKs (`chromadb`, `openai`) are imported here and
nowhere else in `app`, and only by the calls that need them.
"""
