"""scripts/check adds up what the runners report.

Guards against a closing line that is green because nothing was read: a report in
another form, a program that ended badly after its last good case, a suite that ran
nothing, a run that was skipped.
"""

import importlib.machinery
import importlib.util
import json

import pytest
import tree


def load():
    loader = importlib.machinery.SourceFileLoader("check", str(tree.ROOT / "scripts/check"))
    spec = importlib.util.spec_from_loader("check", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


check = load()
CASES = {"ok": "", "bad": "<failure/>", "error": "<error/>", "skip": "<skipped/>"}


@pytest.fixture
def logs(tmp_path):
    """Write the two files as Meson does: {(suite, test): ([case, ...], result)}"""
    def write(runs):
        suites = "".join(
            f'<testsuite name="pawl.pawl:{suite} / {test}">'
            + "".join(f'<testcase name="1">{CASES[case]}</testcase>' for case in cases)
            + "</testsuite>" for (suite, test), (cases, _) in runs.items())
        (tmp_path / "testlog.junit.xml").write_text(f"<testsuites>{suites}</testsuites>")
        (tmp_path / "testlog.json").write_text("".join(
            json.dumps({"name": f"pawl:{suite} / {test}", "result": result}) + "\n"
            for (suite, test), (_, result) in runs.items()))
        return {suite: str(count) for suite, count in check.read_report(tmp_path).items()}

    return write


def test_cases_are_counted_by_suite(logs):
    assert logs({
        ("unit", "unit-a"): (["ok", "ok"], "OK"),
        ("unit", "unit-b"): (["ok", "bad", "skip"], "FAIL"),
        ("e2e", "e2e-kill"): (["error"], "ERROR"),
    }) == {"unit": "3 passed, 1 failed, 1 skipped", "e2e": "0 passed, 1 failed, 0 skipped"}


@pytest.mark.parametrize("result", ["ERROR", "TIMEOUT", "INTERRUPT", "FAIL"])
def test_a_bad_end_after_good_cases_is_a_failure(logs, result):
    assert logs({("unit", "unit-a"): (["ok"], result)}) == {
        "unit": "1 passed, 1 failed, 0 skipped"}


def test_no_report_is_no_success(tmp_path):
    assert check.read_report(tmp_path) == {}
    build = check.Build("build", [], ("unit", "e2e"))
    assert str(check.add_up("plain", build, {}, 0)) == "0 passed, 2 failed, 0 skipped"


def test_a_suite_that_ran_nothing_is_a_failure():
    build = check.Build("build", [], ("unit", "e2e"))
    counts = {"unit": check.Count(passed=3), "e2e": check.Count(skipped=2)}
    assert str(check.add_up("plain", build, counts, 0)) == "3 passed, 1 failed, 2 skipped"


def test_a_status_without_a_failed_case_is_a_failure():
    build = check.Build("build", [], ("unit",))
    counts = {"unit": check.Count(passed=3)}
    assert str(check.add_up("plain", build, counts, 0)) == "3 passed, 0 failed, 0 skipped"
    assert str(check.add_up("plain", build, counts, 1)) == "3 passed, 1 failed, 0 skipped"


def test_every_suite_of_the_build_is_expected():
    suites = {tree.read(path).split("suite: '")[1].split("'")[0]
              for path in tree.matching("tests/*/meson.build")}
    assert suites == set(check.BUILDS["plain"].suites)
