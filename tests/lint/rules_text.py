"""Rules for any text file. Each takes (path, text) and answers its complaints."""

import ast
import re

from tree import Complaint

# Words that have no place in a file of the project. Put together here, so that this
# file passes by its own rules.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
ELSEWHERE = re.compile(r"/wo" r"rk/|/fa" r"rm/|\bfa" r"rm-|/tmp/pl" r"an\b")
FILE_LINES = 800


def white_space(path: str, text: str) -> list:
    found = [Complaint(path, number, "white space at the end of the line")
             for number, line in enumerate(text.split("\n"), 1)
             if line != line.rstrip()]
    if text and not text.endswith("\n"):
        found.append(Complaint(path, text.count("\n") + 1, "no newline at the end"))
    if text.endswith("\n\n"):
        found.append(Complaint(path, text.count("\n"), "empty line at the end"))
    return found


def finished(path: str, text: str) -> list:
    return [Complaint(path, number, "unfinished work is not committed")
            for number, line in enumerate(text.split("\n"), 1)
            if UNFINISHED.search(line)]


def at_home(path: str, text: str) -> list:
    """Nothing refers to a place that exists on one machine alone."""
    return [Complaint(path, number, "a path of one machine")
            for number, line in enumerate(text.split("\n"), 1)
            if ELSEWHERE.search(line)]


def file_size(path: str, text: str) -> list:
    lines = text.count("\n")
    if lines > FILE_LINES:
        return [Complaint(path, lines, f"{lines} lines, {FILE_LINES} at most")]
    return []


def no_sleep(path: str, text: str) -> list:
    """Python waits for something: only functions named wait_until sleep, in a loop.
    Handlers that a test writes out as text may sleep: that is their job."""
    found = []

    def visit(node, function):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = node.name
        if sleeps(node) and function != "wait_until":
            found.append(Complaint(path, node.lineno, "wait for something, do not sleep"))
        for child in ast.iter_child_nodes(node):
            visit(child, function)

    visit(ast.parse(text), "")
    return found


def sleeps(node) -> bool:
    """time.sleep(...), or sleep(...)"""
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return getattr(called, "attr", getattr(called, "id", "")) == "sleep"
