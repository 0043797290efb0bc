"""The examples of verifying a webhook accept what is signed, in each language that is here, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scimlite.events import signing

EXAMPLES = Path(__file__).parents[2] / "examples" / "verify"
LANGUAGES = {"py": [sys.executable], "mjs": ["node"], "go": ["go", "run"]}
KEY, BODY = b"k" * 32, '{"type":"user.created","name":"Zoë"}'.encode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_example(language: str) -> None:
    program = LANGUAGES[language]
    if shutil.which(program[0]) is None:
        pytest.skip(f"NOT TRIED: {program[0]} is not installed here")

    def accepted(key: bytes, seconds: int, signatures: str | None = None, body: bytes = BODY) -> bool:
        signed = signing.headers([b"o" * 32, KEY], "evt_1_1", seconds, BODY)
        words = [signing.secret_text(key), "evt_1_1", str(seconds), signatures or signed["webhook-signature"]]
        command = [*program, str(EXAMPLES / f"verify.{language}"), *words]
        return subprocess.run(command, input=body, timeout=120).returncode == 0

    now = int(time.time())
    assert accepted(KEY, now)
    assert not accepted(b"x" * 32, now)
    assert not accepted(KEY, now - 400)
    assert not accepted(KEY, now, body=BODY + b" ")
    assert not accepted(KEY, now, signatures="v1,AAAA v2,BBBB")
