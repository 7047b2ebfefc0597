"""The control interface: what a test does to a double in another process, as JSON over HTTP under
`/_control/`.

Control calls are not recorded, meet no faults and count no connection.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .faults import Fault

if TYPE_CHECKING:
    from .server import Double

PREFIX = "/_control/"


def handle(double: Double, method: str, path: str, raw: bytes) -> tuple[int, Any]:
    """Answer one control call with a status and data.

    GET info | requests | faults; POST faults (one or a list), reset, settings {"rtt"}; DELETE faults; and
    what the double adds (`spend`, `answer`, `token`, ...). A mistake in a call is a 400 that says which.
    """
    name = path[len(PREFIX) :].strip("/")
    try:
        body = json.loads(raw) if raw else None
        return 200, _call(double, method, name, body)
    except LookupError as error:
        return 404, {"error": f"no such control call: {method} {name} ({error})"}
    except (ValueError, TypeError) as error:
        return 400, {"error": str(error)}


def _call(double: Double, method: str, name: str, body: Any) -> Any:
    match method, name:
        case "GET", "info":
            ca_file = str(double.ca_file) if double.ca_file else None
            return {
                **double.recorder.counts,
                "rtt": double.rtt,
                "ca_file": ca_file,
                "crashes": double.crashes,
            }
        case "GET", "requests":
            return [request.to_json() for request in double.requests]
        case "GET", "faults":
            return [fault.to_json() for fault in double.faults.pending()]
        case "POST", "faults":
            faults = [Fault.from_json(one) for one in (body if isinstance(body, list) else [body])]
            double.faults.push(*faults)
            return {"pushed": len(faults)}
        case "DELETE", "faults":
            double.faults.clear()
            return {}
        case "POST", "reset":
            double.reset()
            return {}
        case "POST", "settings":
            double.rtt = float(body["rtt"])
            return {"rtt": double.rtt}
    return double.control(method, name, body)
