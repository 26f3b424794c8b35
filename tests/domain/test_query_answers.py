"""Answers of the Query protocol: any text of a caller's stands in them as XML that a client can read."""

from __future__ import annotations

import re

import pytest
from botocore.parsers import QueryParser
from hypothesis import example, given
from hypothesis import strategies as st

from services.kms_api import query
from services.kms_api.shapes import service_model

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@given(st.text())
@example("\uffff")  # nobody could read an account's policies any more
@example("\ud800")
@example("a\r\nb")  # Terraform saw another description at each plan
@example("]]>&<\"'")
def test_a_client_reads_the_text_that_was_given(text: str) -> None:
    """What no XML may hold (XML 1.0, section 2.2) becomes a question mark."""
    body = query.answer("iam", "GetPolicy", {"Policy": {"PolicyName": "p", "Description": text}}, "call")
    shape = service_model("iam").operation_model("GetPolicy").output_shape
    read = QueryParser().parse({"body": body, "headers": {}, "status_code": 200}, shape)
    assert read["Policy"]["Description"] == NOT_IN_XML.sub("?", text)


@pytest.mark.parametrize("text", ["\uffff", "\ud800", "a\rb"])
def test_a_refusal_repeats_the_text_that_was_given(text: str) -> None:
    body = query.error("iam", "ValidationError", text, 400, "call")
    read = QueryParser().parse({"body": body, "headers": {}, "status_code": 400}, None)
    assert read["Error"]["Message"] == NOT_IN_XML.sub("?", text)
