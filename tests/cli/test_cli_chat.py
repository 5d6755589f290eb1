"""`chat`: the picture is looked at once, lines may come from a pipe, and a bad line ends nothing."""

import io
import json
import sys

import pytest


@pytest.fixture
def typed(monkeypatch):
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_the_second_question_reuses_the_image_state(showtell, assistant, picture, typed) -> None:
    typed("what is this?\n\nwhere is it?\n/quit\nnever asked\n")
    ran = showtell("chat", picture, "--json")
    assert ran.code == 0
    assert [json.loads(line)["answer"] for line in ran.out.splitlines()] == ["a dog", "a dog"]
    assert [question for _, question in assistant.asked] == ["what is this?", "where is it?"]
    assert assistant.encoded == 1
    assert assistant.asked[0][0] is assistant.asked[1][0]


def test_a_pipe_without_an_end_of_line(showtell, assistant, picture, typed) -> None:
    typed("what is this?")
    assert showtell("chat", picture).out.startswith("a dog")


def test_a_refused_line_is_told_and_the_next_is_answered(showtell, assistant, picture, typed) -> None:
    typed("why " * 10_000 + "\nwhat is this?\n")
    ran = showtell("chat", picture, "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert "10,000 words" in lines[0]["error"] and lines[1]["answer"] == "a dog"
    assert ran.code == 2, "a program that pipes questions in learns that one was refused"


def test_another_picture_is_looked_at_when_asked_to(showtell, assistant, picture, typed) -> None:
    typed(f"what is this?\n/look {picture}\nwhere is it?\n/again\n/look\n/dance\n/help\n")
    ran = showtell("chat", picture, "--json")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert assistant.encoded == 2 and len(assistant.asked) == 2
    assert "wants the picture" in lines[2]["error"] and "/dance is no command" in lines[3]["error"]


def test_a_chat_without_a_picture_or_with_two_is_refused(showtell, assistant, picture, typed) -> None:
    typed("what is this?\n")
    assert "no picture was given" in json.loads(showtell("chat", "--json").out)["error"]
    assert "one picture at a time" in json.loads(showtell("chat", picture, picture, "--json").out)["error"]
