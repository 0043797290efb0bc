"""`scimlite completion`: prints the script by which a shell completes commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from .kit import shells
from .kit.options import Choice

_PROGRAM = "scimlite"
_VARIABLE = "_SCIMLITE_COMPLETE"


@click.command()
@click.argument("shell", type=Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options and names in a shell.

    It completes slugs of apps, labels of tokens, features with their values, and names of schemas too. They come from
    the database that the environment describes; without one, nothing is completed.

    \b
    Examples: scimlite completion bash > \\
                  ~/.local/share/bash-completion/completions/scimlite
              scimlite completion zsh > ~/.zfunc/_scimlite
              scimlite completion fish > ~/.config/fish/completions/scimlite.fish
    """
    shells.register()
    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(ctx.find_root().command, {}, _PROGRAM, _VARIABLE).source())
