"""schemathesis: requests made from our OpenAPI document, and every answer held against it."""

from __future__ import annotations

import re
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path

#: Checks that are left out, and why.
EXCLUDED = {
    "negative_data_rejection": "unknown attributes and wrong `schemas` are ignored, as RFC 7644 section 3.3 asks",
    "positive_data_acceptance": "JSON Schema cannot say what a filter, a path or a unique value is",
    "ignored_auth": "ServiceProviderConfig needs no token",
}
#: What is not tried, and why.
NOT_TRIED = "/Me, which is 501 for a token that was not issued for a user (RFC 7644 section 3.11)"
_SECONDS = "90"


def check(
    output: Callable[[Sequence[str | Path]], str], base: str, token: str, binaries: Path
) -> tuple[int, int, list[str]]:
    """Run it for a bounded time; gives how many operations passed, of how many, and what failed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command: list[str | Path] = [binaries / "schemathesis", "run", f"{base}/openapi.json", "--url", base]
        command += ["-H", f"Authorization: Bearer {token}", "-n", "25", "--max-time", _SECONDS, "--warnings", "off"]
        command += ["--exclude-path", "/Me"]
        command += ["--exclude-checks", ",".join(EXCLUDED), "--report", "junit", "--report-junit-path", report]
        printed = output(command)
        if not report.exists():
            raise ValueError(printed[-2000:])
        cases = ElementTree.parse(report).getroot().findall(".//testcase")
    failed = [
        f"{case.get('name')}: {_one_line(problem)}"
        for case in cases
        for problem in (*case.findall("failure"), *case.findall("error"))
    ]
    broken = {each.split(": ", 1)[0] for each in failed}
    return len(cases) - len(broken), len(cases), failed


def _one_line(problem: ElementTree.Element) -> str:
    return re.sub(r"\s+", " ", f"{problem.get('message')} {problem.text}").strip()[:600]
