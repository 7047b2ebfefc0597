"""The output buffer: what the pipeline has to say goes here, never to stdout, which under CGI is the reply itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class RAGOutput:
    """One answer in the making. `diagnostics` tell how it came about, `errors` what went wrong without stopping it.

    `degraded`: of `embeddings`, `vectors`, `index`, what was not used because it failed.
    """

    answer: str = ""
    diagnostics: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    degraded: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"answer": self.answer, "diagnostics": list(self.diagnostics), "errors": list(self.errors)}
