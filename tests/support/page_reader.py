"""Follows a page of the documentation as its reader would: saves its files, types its commands, compares the output."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from command_line import CommandLine
from live_service import LiveService
from pages import ROOT, Block, Page, Shown, agrees, identities
from postgres_server import free_port

BIN = Path(sys.executable).parent
#: Addresses in the pages that mean the service: as `make run` starts it, behind a proxy, inside an application.
ADDRESSES = ("http://127.0.0.1:8000", "https://scim.example.com", "http://127.0.0.1:5000")
#: Databases in the pages that are the test's own when that is one of PostgreSQL.
DATABASES = ("sqlite:///scim.db", "postgresql://scimlite:password@db.example.com/scimlite")
#: Commands that go on until somebody presses Ctrl-C; the next ones are typed into another terminal.
_LASTING = re.compile(r"(?:\w+=\S+ )*(scimlite serve|flask .*\brun|scimlite report .*(?:--follow|-f\b))")
_COMMENT = re.compile(r"\s+# .*$")
_SHELL = re.compile(r"[|&;<>$()`*?~]|^\w+=|#")
#: What is typed, unseen, where a page shows "Password:".
PASSWORD = "correct horse battery staple"


class PageError(AssertionError):
    """A page says something that is not so."""


@dataclass
class Reader:
    """A person at a terminal: folder, environment, what is running, and the outputs that were others than shown."""

    folder: Path
    env: dict[str, str]
    #: `sqlite` or `postgresql`.
    kind: str
    #: Where the service is, or will be when an application of the page serves it.
    address: str
    #: What DATABASES stand for, if not for themselves.
    database_url: str = ""
    #: What `make run` printed, if the page begins with a running service.
    welcome: str = ""
    different: list[tuple[Shown, list[str]]] = field(default_factory=list)
    #: Ids that the page shows, and what they are in this run.
    ids: dict[str, str] = field(default_factory=dict)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _services: list[LiveService] = field(default_factory=list)

    @classmethod
    def sitting_down(cls, folder: Path, kind: str, settings: Mapping[str, str], path: str = "") -> Reader:
        """A reader in an empty folder of a machine where scimlite is installed."""
        activate = folder / ".venv" / "bin" / "activate"
        activate.parent.mkdir(parents=True)
        activate.write_text(f'PATH="{BIN}:$PATH"\n')
        for name in ("docs", "examples"):
            (folder / name).mkdir()
        (folder / "examples" / "embedded").symlink_to(ROOT / "examples" / "embedded")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SCIMLITE_", "XDG_"))}
        search = ":".join(filter(None, [str(BIN), path, os.environ["PATH"]]))
        env = {**clean, "PATH": search, "HOME": str(folder), "LOGNAME": "ann", "COLUMNS": "118", **settings}
        return cls(folder, env, kind, address=f"http://127.0.0.1:{free_port()}")

    def make_run(self) -> None:
        """Do what `make run` does: a service with the app "Entra ID"."""
        self.env["SCIMLITE_STATE_DIR"] = str(self.folder / "var")
        self._serve(self.env, "--first-app", "Entra ID")
        lines = self._services[0].log.read_text().splitlines(keepends=True)
        # Without the lines of the log.
        self.welcome = "".join(line for line in lines if not line.startswith(("[", "20"))).rstrip()

    def _serve(self, env: Mapping[str, str], *arguments: str) -> None:
        kept = ("SCIMLITE_", "HOME", "LOGNAME")
        settings = {name: value for name, value in env.items() if name.startswith(kept)}
        service = LiveService.start(settings, *arguments, workers=1, threads=4, folder=self.folder)
        self._services.append(service)
        self.address = service.url
        self._save_idp()

    def _save_idp(self) -> None:
        text = (ROOT / "docs" / "idp.sh").read_text()
        (self.folder / "docs" / "idp.sh").write_text(text.replace(ADDRESSES[0], self.address))

    def leave(self) -> None:
        """Stop what was started; a traceback in a log is a failure."""
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=20)
                finally:
                    process.kill()
                    process.wait()
        for service in self._services:
            service.stop()
        for service in self._services:
            service.assert_no_traceback()

    def follow(self, page: Page) -> None:
        """Do everything that the page says, from the first line to the last."""
        for block in page.blocks:
            try:
                self._block(block)
            except PageError as error:
                raise PageError(f"{page.name}: {error}") from None

    def _block(self, block: Block) -> None:
        if block.file is not None:
            (self.folder / block.file).write_text(self._real(block.text))
        if block.language != "console" or ({"sqlite", "postgresql"} & set(block.words)) - {self.kind}:
            return
        for shown in block.commands():
            self._type(shown)

    def _type(self, shown: Shown) -> None:
        lasting = _LASTING.match(shown.command)
        if shown.command == "make run":
            code, printed = 0, self.welcome
        elif lasting:
            self._start(lasting[1], shown)
            return
        else:
            code, printed = self._run(self._real(shown.command), shown)
        lines = self._as_shown(printed).splitlines()
        # The rule for failures: a page shows a command that fails with its "Error: " or "Exit code" line.
        fails = any(line.startswith(("Error: ", "FAIL", "  FAIL")) for line in shown.output)
        if (code != 0) != fails and shown.output != ("?",):
            raise PageError(f"line {shown.first}: `{shown.command}` exits with {code}:\n{printed}")
        if shown.output and not agrees(shown.output, lines):
            self.different.append((shown, lines))
        self.ids |= identities(shown.output, lines)

    def _run(self, command: str, shown: Shown) -> tuple[int, str]:
        plain = _COMMENT.sub("", command).rstrip()
        if plain.startswith("scimlite ") and not _SHELL.search(_unquoted(plain)):
            return self._here(shlex.split(plain)[1:], shown)
        return self._in_a_shell(command)

    def _here(self, arguments: list[str], shown: Shown) -> tuple[int, str]:
        """Run a command of ours in this process, which takes a tenth of the time of another one."""
        settings = {name: value for name, value in self.env.items() if name.startswith("SCIMLITE_")}
        line = CommandLine({**settings, "LOGNAME": "ann", "HOME": str(self.folder), "XDG_STATE_HOME": ""})
        # What is typed at a question stands in the page behind the question.
        typed = "".join(f"{each}\n" for each in re.findall(r"\]: (\S+)$", "\n".join(shown.output), re.MULTILINE))
        typed += f"{PASSWORD}\n" if "Password:" in shown.output else ""
        result = line.run(*arguments, input=typed, columns=118)
        return result.exit_code, result.output

    def _in_a_shell(self, command: str) -> tuple[int, str]:
        """Run a command in a shell and keep what it exports and where it goes."""
        after, functions = self.folder / ".env-after", self.folder / ".functions"
        functions.touch()
        script = f". {functions}\nset -a\n{command}\ncode=$?\nenv -0 > {after}\ndeclare -f > {functions}\nexit $code"
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if after.exists():
            pairs = [pair.partition("=") for pair in after.read_text().split("\0") if pair]
            self.env = {name: value for name, _, value in pairs if name not in ("_", "SHLVL", "PWD", "OLDPWD")}
            after.unlink()
        return ran.returncode, ran.stdout

    def _start(self, what: str, shown: Shown) -> None:
        """Start a command that goes on; what serves becomes the service of the commands after it."""
        words = shlex.split(_COMMENT.sub("", shown.command))
        env = dict(self.env)
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            env[name] = self._real(value)
        if what == "scimlite serve":
            # Where it listens is up to the test.
            options = re.sub(r"--(host|port) \S+", "", " ".join(words[2:])).split()
            self._serve(env, *options)
            return
        follows = what.startswith("scimlite report")
        if not follows:
            words += ["--port", self.address.rpartition(":")[2]]
            env["PYTHONUNBUFFERED"] = "1"
        log = self.folder / f"terminal-{len(self._running)}.log"
        with log.open("wb") as output:
            command = [str(BIN / words[0]), *words[1:]]
            process = subprocess.Popen(
                command, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._running.append(process)
        if follows:
            return
        _wait_for(self.address, process, log)
        self._save_idp()

    def _real(self, text: str) -> str:
        """A page's text with the addresses and the database of this run."""
        for shown, real in [*((address, self.address) for address in ADDRESSES), *self.ids.items()]:
            text = text.replace(shown, real)
        for database in DATABASES:
            text = text.replace(database, self.database_url or database)
        return text

    def _as_shown(self, text: str) -> str:
        """Output with the address that pages show, and paths from the reader's folder."""
        text = re.sub(r"http://127\.0\.0\.1:\d+", ADDRESSES[0], text)
        return text.replace(f"{self.folder}/", "./")

    def compare(self, page: Page) -> None:
        """Raises PageError when an output was another one than shown; rewrites the page instead when asked to."""
        if not self.different:
            return
        if os.environ.get("SCIMLITE_TEST_REWRITE_DOCS") == self.kind:
            lines = page.path.read_text().splitlines()
            for shown, printed in reversed(self.different):
                lines[shown.first : shown.last] = [line.rstrip() for line in printed]
            text = "\n".join(lines) + "\n"
            for shown_id, real in self.ids.items():
                text = text.replace(real, shown_id)
            page.path.write_text(text)
            return
        shown, printed = self.different[0]
        told = "\n".join(printed)
        raise PageError(
            f"{page.name} line {shown.first}: `{shown.command}` prints now\n\n{told}\n\n"
            "Is that right? SCIMLITE_TEST_REWRITE_DOCS=sqlite pytest tests/test_docs.py writes it into the page."
        )


def _unquoted(command: str) -> str:
    """A command without what stands in single quotation marks."""
    return re.sub(r"'[^']*'", "", command)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    raise PageError(f"{url} does not answer: {log.read_text()}")
