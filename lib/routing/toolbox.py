"""Tools a model may use: registered functions, their arguments checked, their failures put in words for the model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lib.chat import Tool, ToolCall, ToolResult
from lib.errors import ModeldeckError
from lib.logs import get_logger, redact

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LONGEST_RESULT = 100_000
"""Characters of a result that go back to the model; a longer one is cut, and says so."""

_LONGEST_PROBLEM = 300
_PROBLEMS = 5
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ToolError(Exception):
    """Raised by a tool for the model to read: what was wrong, in words that help it to do better."""


@dataclass(frozen=True, slots=True)
class Function:
    """A tool and what runs it: ``call`` takes the arguments as keywords and returns a string, or what JSON can say.

    It bounds its own time. ``parameters`` is a JSON schema of an object.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    call: Callable[..., Any]


class Toolbox:
    """Registered tools by name; raises ValueError for a name, or a schema, that no provider would take."""

    def __init__(self, functions: Iterable[Function], *, log: Any = None) -> None:
        self._functions: dict[str, Function] = {}
        self._validators: dict[str, Validator] = {}
        self._log = log or get_logger("tools")
        for function in functions:
            if not _NAME.fullmatch(function.name):
                raise ValueError(f"the tool name {function.name!r} is not 1 to 64 letters, digits, _ or -")
            if function.name in self._functions:
                raise ValueError(f"there are two tools named {function.name!r}")
            self._validators[function.name] = _validator(function)
            self._functions[function.name] = function

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools as a request offers them."""
        return tuple(Tool(f.name, f.description, f.parameters) for f in self._functions.values())

    def execute(self, call: ToolCall) -> ToolResult:
        """Run a call and return its result; whatever goes wrong is a result that says so, and the model may try again."""
        function = self._functions.get(call.name)
        if function is None:
            known = ", ".join(self._functions) or "none"
            return self._problem(call, "unknown tool", f"there is no tool {call.name[:64]!r}; the tools are: {known}")
        if not isinstance(call.arguments, Mapping):
            return self._problem(call, "invalid arguments", "the arguments are not a JSON object")
        try:
            if problems := self._problems(call.name, call.arguments):
                return self._problem(call, "invalid arguments", f"the arguments do not fit: {problems}")
            content = _words(function.call(**call.arguments))
        except (ToolError, ModeldeckError) as error:
            return self._problem(call, "tool error", redact(str(error)))
        except Exception as error:  # a model, and whoever reads its answer, is not shown our insides
            return self._problem(
                call, "tool failed", f"the tool failed ({type(error).__name__})", redact(f"{type(error).__name__}: {error}")
            )
        if len(content) > LONGEST_RESULT:
            content = f"{content[:LONGEST_RESULT]}\n(cut: the result has {len(content):,} characters)"
        return ToolResult(call.id, content)

    def _problems(self, name: str, arguments: Mapping[str, Any]) -> str:
        errors = []
        for error in self._validators[name].iter_errors(dict(arguments)):
            place = ".".join(str(step) for step in error.absolute_path)
            message = error.message if len(error.message) <= _LONGEST_PROBLEM else f"{error.message[:_LONGEST_PROBLEM]}…"
            errors.append(f"{place}: {message}" if place else message)
            if len(errors) == _PROBLEMS:
                break
        return "; ".join(errors)

    def _problem(self, call: ToolCall, event: str, words: str, cause: str | None = None) -> ToolResult:
        self._log.warning("tool.problem", tool=call.name[:64], problem=event, error=cause)
        return ToolResult(call.id, f"Error: {words}.", is_error=True)  # in words too: not every protocol has a mark for it


def _validator(function: Function) -> Validator:
    # Imported where the first tool is registered: most processes never need it, and it takes its time.
    from jsonschema import Draft202012Validator, SchemaError
    from referencing import Registry

    if function.parameters.get("type") != "object":
        raise ValueError(f"the parameters of the tool {function.name!r} are not the schema of an object")
    try:
        Draft202012Validator.check_schema(function.parameters)
    except SchemaError as error:
        raise ValueError(f"the parameters of the tool {function.name!r} are no JSON schema: {error.message}") from None
    return Draft202012Validator(dict(function.parameters), registry=Registry())  # an empty registry: nothing is fetched


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
