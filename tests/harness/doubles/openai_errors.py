"""The error objects of the OpenAI API: `{"error": {"message", "type", "param", "code"}}`."""

from __future__ import annotations

from typing import Any

from .delivery import Reply, json_reply


class ApiError(Exception):
    """A refusal, as the real service words it."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, type, param, code)

    def reply(self) -> Reply:
        """The refusal as an answer."""
        return json_reply(self.body, self.status)


def error_body(message: str, type: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The object itself."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def missing_key() -> ApiError:
    """No `Authorization: Bearer …`."""
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys."
    )
    return ApiError(message, status=401, code="invalid_api_key")


def wrong_key(key: str) -> ApiError:
    """A key nobody has; the message shows its ends only."""
    shown = f"{key[:8]}{'*' * max(len(key) - 12, 0)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    message = f"Incorrect API key provided: {shown}. You can find your API key at https://platform.openai.com/account/api-keys."
    return ApiError(message, status=401, code="invalid_api_key")


def model_not_found(name: str) -> ApiError:
    """A model that does not exist."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return ApiError(message, status=404, code="model_not_found")


def wrong_kind(what: str) -> ApiError:
    """A model that exists but does something else."""
    return ApiError(f"You are not allowed to {what} from this model", status=403)


def unparsable() -> ApiError:
    """A body that is not a JSON object."""
    return ApiError(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library "
        "correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
    )


def unrecognised(names: list[str]) -> ApiError:
    """Parameters that do not exist; the real service gives neither `param` nor `code` here."""
    plural = "s" if len(names) > 1 else ""
    return ApiError(f"Unrecognized request argument{plural} supplied: {', '.join(names)}")


def missing(param: str) -> ApiError:
    """A required parameter that is not there."""
    return ApiError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, value: Any) -> ApiError:
    """A value of another JSON type."""
    message = f"Invalid type for '{param}': expected {expected}, but got {json_type(value)} instead."
    return ApiError(message, param=param, code="invalid_type")


def wrong_value(param: str, value: Any, supported: tuple[str, ...]) -> ApiError:
    """A value outside a fixed list."""
    message = f"Invalid value: '{value}'. Supported values are: {_listed(supported)}."
    return ApiError(message, param=param, code="invalid_value")


def unsupported_parameter(param: str, instead: str | None = None) -> ApiError:
    """A parameter that exists, but not for this model."""
    hint = f" Use '{instead}' instead." if instead else ""
    message = f"Unsupported parameter: '{param}' is not supported with this model.{hint}"
    return ApiError(message, param=param, code="unsupported_parameter")


def unsupported_value(
    param: str, value: Any, supported: tuple[str, ...] | None = None, default: Any = None
) -> ApiError:
    """A value that exists, but not for this model."""
    what = (
        f"Supported values are: {_listed(supported)}."
        if supported
        else f"Only the default ({default}) value is supported."
    )
    message = f"Unsupported value: '{param}' does not support {value!r} with this model. {what}"
    return ApiError(message, param=param, code="unsupported_value")


def out_of_range(param: str, value: float, limit: float, *, above: bool, whole: bool) -> ApiError:
    """A number too large or too small."""
    kind = "integer" if whole else "decimal"
    where, sign, short = (
        ("above maximum", "<=", "above_max") if above else ("below minimum", ">=", "below_min")
    )
    message = (
        f"Invalid '{param}': {kind} {where} value. Expected a value {sign} {limit}, but got {value} instead."
    )
    return ApiError(message, param=param, code=f"{kind}_{short}_value")


def injected(status: int) -> dict[str, Any]:
    """What the real service sends with a status that a fault asks for."""
    if status == 401:
        return error_body("Incorrect API key provided.", "invalid_request_error", None, "invalid_api_key")
    if status == 429:
        message = "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1."
        return error_body(message, "requests", None, "rate_limit_exceeded")
    if status == 503:
        return error_body(
            "The server is currently overloaded with other requests. Sorry about that!", "server_error"
        )
    if status >= 500:
        return error_body(
            "The server had an error while processing your request. Sorry about that!", "server_error"
        )
    return error_body(f"Injected status {status}.", "invalid_request_error")


OUT_OF_MONEY = error_body(
    "You exceeded your current quota, please check your plan and billing details.",
    "insufficient_quota",
    None,
    "insufficient_quota",
)
"""The other 429: waiting does not help. `Fault(status=429, body=OUT_OF_MONEY)`."""


def json_type(value: Any) -> str:
    """A JSON type with its article, as the messages name it."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a decimal number",
        str: "a string",
        list: "an array",
    }
    return names.get(type(value), "an object")


def _listed(values: tuple[str, ...]) -> str:
    quoted = [f"'{value}'" for value in values]
    return f"{', '.join(quoted[:-1])}, and {quoted[-1]}" if len(quoted) > 1 else quoted[0]
