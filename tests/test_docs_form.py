"""The documentation is well formed: links lead somewhere, tables are whole, other programs take their configuration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pages import FOR_TYPING, PAGES, ROOT, Page


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGES[name]
    for link in page.links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        if anchor:
            assert anchor in Page(target).anchors, link


@pytest.mark.parametrize("name", FOR_TYPING)
def test_a_page_is_well_formed(name: str) -> None:
    page = PAGES[name]
    assert page.text.startswith("# ")
    assert re.search(r"[^\n]\n\Z", page.text)
    for block in page.blocks:
        assert block.language, f"line {block.start}: a block without a language"
    longest = 120
    for number, line in enumerate(page.prose.splitlines(), start=1):
        assert len(line) <= longest or line.lstrip().startswith("|") or "](https://" in line, f"line {number} is long"
    for rows in re.findall(r"(?:^ *\|.*\n)+", page.prose + "\n", re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", row))) for row in rows.splitlines()}
        assert len(columns) == 1, f"a table with rows of different length: {rows[:80]}"


def test_every_page_is_reached_from_the_readme() -> None:
    seen, waiting = set(), ["README.md"]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in PAGES:
            continue
        seen.add(name)
        for link in PAGES[name].links:
            if not link.startswith("https://"):
                target = (PAGES[name].path.parent / link.partition("#")[0]).resolve()
                if target.is_relative_to(ROOT):
                    waiting.append(str(target.relative_to(ROOT)))
    assert {each for each in PAGES if not each.startswith("docs/adr/")} - seen == set()


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].text.splitlines()) <= 200


# --- configuration of other programs ------------------------------------------------------------------------------


def configurations(language: str) -> list[str]:
    """The blocks of a language in all pages."""
    found = [block.text for page in PAGES.values() for block in page.blocks if block.language == language]
    assert found
    return found


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    (text,) = configurations("nginx")
    assert text.count("{") == text.count("}")
    nginx, openssl = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), shutil.which("openssl")
    if nginx is None or openssl is None:
        pytest.skip("nginx or openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = "/CN=scim.example.com"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            subject,
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    text = re.sub(
        r"(ssl_certificate_key) \S+;", rf"\1 {key};", re.sub(r"(ssl_certificate) \S+;", rf"\1 {certificate};", text)
    )
    folders = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{text}\n}}\n"
    )
    ran = subprocess.run([nginx, "-t", "-c", whole], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
