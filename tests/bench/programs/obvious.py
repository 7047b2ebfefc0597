"""The obvious program: Flask, flask-cors and the official clients, as one would write it in an afternoon.

It keeps the HTTP contract for what the benchmark asks: health, refusals, answers as JSON and as events. It
counts nobody's requests and no money, so it does less than ours. Clients are made when a question comes, not
for every request.
"""

import json
import os
import re
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from wsgiref.handlers import CGIHandler

import chromadb
import httpx
from chromadb.config import Settings
from flask import Flask, Response, g, jsonify, request
from flask_cors import CORS
from openai import OpenAI, OpenAIError

MODEL = "gpt-6-luna"
EMBEDDING_MODEL = "text-embedding-3-small"
INSTRUCTIONS = Path(os.environ["OBVIOUS_PROMPT"]).read_text(encoding="utf-8")

app = Flask(__name__)
CORS(app, origins=os.environ.get("CORS_ORIGINS", "").split(","), supports_credentials=True)


class Refused(Exception):
    def __init__(self, status, code, message, **fields):
        super().__init__(message)
        self.status, self.body = status, {"error": code, "message": message, **fields}


@app.before_request
def begin():
    g.started, g.request_id = time.monotonic(), uuid.uuid4().hex


@app.after_request
def finish(response):
    response.headers["X-Request-ID"] = g.request_id
    return response


@app.errorhandler(Refused)
def refused(error):
    reply = jsonify({**error.body, "request_id": g.request_id, "timestamp": now()})
    reply.status_code = error.status
    if error.status == 401:
        reply.headers["WWW-Authenticate"] = "Bearer"
    return reply


@app.errorhandler(OpenAIError)
def no_model(error):
    return refused(Refused(502, "ai_service_error", "The language model did not answer."))


@app.get("/health")
def health():
    return {"status": "ok", "service": "dnd_rag", "version": "1", "timestamp": now(), "components": {}}


@app.post("/api/query")
def query():
    user = authenticate()
    document = request.get_json()
    question = str(document.get("question", "")).strip()
    if not 1 <= len(question) <= 2000:
        raise Refused(400, "invalid_request", "Ask a question.", field="question")
    openai = OpenAI(api_key=os.environ["OPENAI_API_KEY"], base_url=os.environ["OPENAI_BASE_URL"])
    passages = retrieve(openai, question, int(document.get("k", 15)))
    messages = [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": prompt(question, passages)},
    ]
    chat = {
        "model": MODEL,
        "messages": messages,
        "max_completion_tokens": 1200,
        "temperature": 0,
        "reasoning_effort": "none",
    }
    if document.get("stream"):
        request_id, started = g.request_id, g.started
        return Response(
            stream(openai, chat, passages, user, request_id, started), mimetype="text/event-stream"
        )
    completion = openai.chat.completions.create(**chat)
    answer = completion.choices[0].message.content
    return {"answer": answer, **done(answer, passages, user, completion.usage, g.request_id, g.started)}


def authenticate():
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Refused(401, "missing_token", "Please log in.")
    try:
        reply = httpx.get(
            os.environ["AUTH_API_URL"] + "/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
    except httpx.HTTPError:
        raise Refused(502, "auth_unavailable", "The login service cannot be reached.") from None
    if reply.status_code != 200:
        raise Refused(401, "invalid_token", "Your login is not valid.")
    return reply.json()["data"]["id"]


def retrieve(openai, question, k):
    vector = openai.embeddings.create(model=EMBEDDING_MODEL, input=question).data[0].embedding
    chroma = chromadb.HttpClient(
        host=os.environ["OBVIOUS_CHROMA_HOST"],
        port=int(os.environ["OBVIOUS_CHROMA_PORT"]),
        ssl=os.environ["OBVIOUS_CHROMA_SSL"] == "on",
        settings=Settings(anonymized_telemetry=False),
    )
    collection = chroma.get_collection("adnd_1e", embedding_function=None)
    found = collection.query(
        query_embeddings=[vector], n_results=k, include=["documents", "metadatas", "distances"]
    )
    columns = (found[name][0] for name in ("ids", "documents", "metadatas", "distances"))
    return [
        {"id": identity, "text": text, "metadata": metadata, "distance": distance}
        for identity, text, metadata, distance in zip(*columns, strict=True)
    ]


def prompt(question, passages):
    blocks = [
        f"[{n}] {p['metadata']['name']} | {p['metadata']['book']} | {p['metadata']['hierarchy']}\n{p['text']}"
        for n, p in enumerate(passages, 1)
    ]
    return "Passages:\n\n" + "\n\n".join(blocks) + f"\n\nQuestion: {question}"


def stream(openai, chat, passages, user, request_id, started):
    yield event("sources", {"sources": sources(passages, "")})
    answer, usage = "", None
    for chunk in openai.chat.completions.create(**chat, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        if chunk.choices and chunk.choices[0].delta.content:
            answer += chunk.choices[0].delta.content
            yield event("delta", {"text": chunk.choices[0].delta.content})
    yield event("done", done(answer, passages, user, usage, request_id, started))


def event(name, data):
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def done(answer, passages, user, usage, request_id, started):
    return {
        "answer_format": "markdown",
        "sources": sources(passages, answer),
        "diagnostics": [f"Retrieved {len(passages)} passages"],
        "errors": [],
        "usage": {
            name: getattr(usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        },
        "meta": {
            "request_id": request_id,
            "user_id": user,
            "model": MODEL,
            "performance": {"total_duration_seconds": round(time.monotonic() - started, 4)},
            "timestamp": now(),
        },
    }


def sources(passages, answer):
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", answer)}
    return [
        {
            "n": n,
            "id": p["id"],
            "name": p["metadata"]["name"],
            "book": p["metadata"]["book"],
            "hierarchy": p["metadata"]["hierarchy"],
            "excerpt": p["text"][:300],
            "distance": p["distance"],
            "cited": n in cited,
        }
        for n, p in enumerate(passages, 1)
    ]


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


CGIHandler().run(app)
