"""What is asked, and what answering it produces: Sources, Facts, Delta …, Done. JSON joins them, a stream
sends each."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from app.deadline import Deadline
from app.models import Fact, Passage, Question, Usage, User

if TYPE_CHECKING:
    from app.grounding.check import Grounding
    from app.ledger.ledger import Receipt


class Query(NamedTuple):
    """A user's question, to be answered by the deadline under `request_id`; with `stream`, the words as they
    come.

    `lost_id` is the request under which a worker has begun to answer this question and then died; empty: none
    has.
    """

    question: Question
    user: User
    request_id: str
    deadline: Deadline
    stream: bool = False
    lost_id: str = ""


class Facts(NamedTuple):
    """What the books state on exactly what was asked, each with the number of its source; there is one."""

    stated: tuple[tuple[int, Fact], ...] = ()

    @classmethod
    def among(cls, facts: Iterable[Fact], passages: Sequence[Passage]) -> "Facts":
        """Those of `facts` that stand in one of `passages`."""
        numbers = {passage.id: number for number, passage in enumerate(passages, 1)}
        return cls(tuple((numbers[fact.passage], fact) for fact in facts if fact.passage in numbers))


NO_FACTS = Facts()


class Sources(NamedTuple):
    """Every passage that is put before the model, in prompt order. `named`: by id, the name it was chosen
    for; `facts`: what stands in them of what was asked."""

    passages: tuple[Passage, ...]
    named: Mapping[str, str] = MappingProxyType({})
    facts: Facts = NO_FACTS


class Delta(NamedTuple):
    text: str


AnsweredBy = Literal["model", "facts", "passages"]
"""Who has answered: the language model, the books' own figures alone, nobody (passages are quoted)."""


class Done(NamedTuple):
    """The end. `answer` is what the deltas join to, less citations of passages that do not exist.

    `cited` are numbers of sources, from 1. `model` is None where none was asked, and then `grounding` is,
    too. `usage` None means that nobody counted. `diagnostics` tell people how the answer came about, `errors`
    what went wrong without stopping it; `degraded`: of `embeddings`, `vectors`, `index`, what was not used
    because it failed. `seconds` are per stage.
    """

    answer: str
    sources: Sources
    answered_by: AnsweredBy
    cited: frozenset[int]
    grounding: "Grounding | None"
    model: str | None
    usage: Usage | None
    receipt: "Receipt"
    diagnostics: Sequence[str] = ()
    errors: Sequence[str] = ()
    degraded: Sequence[str] = ()
    seconds: Mapping[str, float] = MappingProxyType({})


Event = Sources | Facts | Delta | Done
Events = Generator[Event, None, None]
"""Events as they happen; closing it early ends the question."""
