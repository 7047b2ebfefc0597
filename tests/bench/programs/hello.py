"""The floor of every Flask program: one route, under CGI."""

import sys
from wsgiref.handlers import CGIHandler

sys.path.insert(0, "@PACKAGES@")

from flask import Flask

app = Flask(__name__)


@app.get("/health")
def health():
    return {"status": "ok"}


CGIHandler().run(app)
