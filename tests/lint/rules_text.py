"""Rules for any text file. Each takes (path, text) and answers its complaints."""

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
    """Python waits for something: only functions named wait_until sleep, in a loop."""
    found = []
    function = ""
    for number, line in enumerate(text.split("\n"), 1):
        definition = re.match(r"\s*def (\w+)", line)
        function = definition.group(1) if definition else function
        if re.search(r"\btime\.sleep\s*\(", line) and function != "wait_until":
            found.append(Complaint(path, number, "wait for something, do not sleep"))
    return found
