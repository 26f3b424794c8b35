"""ARNs with variables match as the ARN does that they become in a context."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from domain.policy.glob import compile_arn
from domain.policy.variables import any_arn, resolve, template

PIECES = ["${aws:username}", "${aws:PrincipalTag/team, 'none'}", "${*}", ":", ":", ":", "*", "?", "a", "b"]
PATTERNS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join)
VALUES = st.text("ab:*?", max_size=3)


@given(PATTERNS, st.text("ab:*?", max_size=12), st.none() | VALUES, st.none() | VALUES)
@example("a:*:${aws:username}*", "a:b:a:b:a", "a", None)
@example(":::::${aws:username}", ":::::a:b", "a:b", None)
@example("${aws:username}", "a", "a", None)
@example("*${*}:${aws:username}:*", "b*:a:b:b", "a", None)
def test_a_pattern_with_variables_matches_as_what_it_becomes(
    pattern: str, value: str, name: str | None, team: str | None
) -> None:
    named = {"aws:username": name, "aws:principaltag/team": team}
    context = {key: (each,) for key, each in named.items() if each is not None}
    became = resolve(template(pattern, "2012-10-17"), context)
    expected = became is not None and compile_arn(became)(value)
    assert any_arn([pattern], "2012-10-17", compile_arn)(value, context) is expected
