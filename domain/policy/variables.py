"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, and `${*}`, `${?}`, `${$}` for the signs.

Source: IAM user guide, reference_policies_variables. They are variables only in Version 2012-10-17
(#variables-need-version-2012). A condition key of many values cannot be a variable. If the request lacks the key, the
variable is null: it equals nothing and is like nothing, so negated operators hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from domain.policy.condition_keys import row_of
from domain.policy.glob import ARN_PARTS, STAR, compile_parts

Context = Mapping[str, tuple[str, ...]]
"""Condition keys in lower case, with the request's values. A key without a value is absent."""

BEFORE_NULL_SETS = "keytrail:before-null-sets"
"""Only the context of a decision that is made again as evaluator 3 made it has this key; no request has it. To
evaluator 3 an empty value was an ordinary value. A key of many values was replaced by its value if it had only one. The
case of names in a grant constraint's pairs mattered."""
WITH_VARIABLES = "2012-10-17"
_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
SIGNS = frozenset("*?$")


@dataclass(frozen=True, slots=True)
class Variable:
    """`key` is in lower case. If the key can have `many` values, this is no variable: it is null and has no default."""

    key: str
    default: str | None
    many: bool = False


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign that means itself where it would otherwise be a wildcard or begin a variable."""

    text: str


Template = tuple[str | Sign | Variable, ...]
PatternParts = list[tuple[str, bool]]
"""(text, whether `*` and `?` in it are wildcards)."""


def template(text: str, version: str) -> Template:
    """Cuts the text at its variables; under other versions it is one literal."""
    if version != WITH_VARIABLES or "${" not in text:
        return (text,)
    parts: list[str | Sign | Variable] = []
    at = 0
    for found in _VARIABLE.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        parts.append(_variable(found.group(1)))
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def _variable(name: str) -> Sign | Variable:
    if name in SIGNS:
        return Sign(name)
    written, default = _key_and_default(name)
    key = written.lower()
    row = row_of(key)
    return Variable(key, default, row is not None and row.many)


def _key_and_default(name: str) -> tuple[str, str | None]:
    """What stands between the braces, cut at its first comma if a default in quotes follows. An expression for both
    parts with the spaces around them would take a time that grows with the cube of the spaces."""
    key, comma, rest = name.partition(",")
    default = rest.strip()
    if comma and len(default) > 1 and default[0] == default[-1] == "'" and "'" not in default[1:-1]:
        return key.strip(), default[1:-1]
    return name.strip(), None


def keys_written(text: str) -> Iterator[str]:
    """The condition keys of the text's variables, as it writes them."""
    return (_key_and_default(name)[0] for name in _VARIABLE.findall(text) if name not in SIGNS)


def opened(text: str, keys: Collection[str]) -> str:
    """The text with `*` for the variables of these keys (in lower case), whose values are not known."""
    return _VARIABLE.sub(lambda found: STAR if _key_and_default(found[1])[0].lower() in keys else found[0], text)


def is_constant(parts: Template) -> bool:
    return not any(isinstance(part, Variable) for part in parts)


def resolve(parts: Template, context: Context) -> PatternParts | None:
    """The template's parts with the request's values; None where a variable is null."""
    result: PatternParts = []
    for part in parts:
        match part:
            case str():
                result.append((part, True))
            case Sign(text):
                result.append((text, False))
            case Variable(key, default, many):
                if many and BEFORE_NULL_SETS not in context:
                    return None
                values: Sequence[str] = context.get(key, ())
                if len(values) == 1:
                    result.append((values[0], False))
                elif values or default is None:
                    return None
                else:
                    result.append((default, False))
            case _:
                assert_never(part)
    return result


def any_arn(
    patterns: Sequence[str], version: str, compiled: Callable[[PatternParts], Callable[[str], bool]]
) -> Callable[[str, Context], bool]:
    """Whether an ARN matches one of the patterns in a context. `compiled` is for those without variables."""
    templates = [template(pattern, version) for pattern in patterns]
    constant = [compiled(resolve(parts, {}) or []) for parts in templates if is_constant(parts)]
    open_ones = [_ArnTemplate(parts) for parts in templates if not is_constant(parts)]
    if not open_ones and len(constant) == 1:
        only = constant[0]
        return lambda value, context: only(value)

    def matches(value: str, context: Context) -> bool:
        if any(covers(value) for covers in constant):
            return True
        return any(each.matches(value, context) for each in open_ones)

    return matches


class _ArnTemplate:
    """`glob.compile_arn` for a pattern with variables, which is another pattern in each context. It is cut into components once,
    and those without a variable are compiled once: an account may write thousands of such patterns, and others wait meanwhile."""

    def __init__(self, parts: Template) -> None:
        components: list[list[str | Sign | Variable]] = [[]]
        for part in parts:
            # A colon in a variable's value does not separate components: the value stays within its own.
            cuts = part.split(":", ARN_PARTS - len(components)) if isinstance(part, str) else [part]
            components[-1].append(cuts[0])
            components.extend([cut] for cut in cuts[1:])
        last = components[-1][-1]
        self._count = len(components)
        self._possible = self._count == ARN_PARTS or (isinstance(last, str) and last.endswith(STAR))
        templates = [(at, tuple(component)) for at, component in enumerate(components)]
        self._constant = [(at, compile_parts(resolve(each, {}) or [])) for at, each in templates if is_constant(each)]
        self._open = [(at, each) for at, each in templates if not is_constant(each)]

    def matches(self, value: str, context: Context) -> bool:
        found = value.split(":", self._count - 1)
        if not self._possible or len(found) != self._count:
            return False
        if not all(covers(found[at]) for at, covers in self._constant):
            return False
        return all(
            (parts := resolve(each, context)) is not None and compile_parts(parts)(found[at]) for at, each in self._open
        )


def joined(parts: PatternParts) -> str:
    return "".join(text for text, _ in parts)
