"""The options of kinds of sources beside those of the commands that take them."""

import pytest

from scimlite.sync import kinds
from scimlite_cli.source import add, edit


@pytest.mark.parametrize("kind", kinds.own_names())
@pytest.mark.parametrize("command", [add, edit], ids=["add", "edit"])
def test_no_option_of_a_kind_is_hidden_by_one_of_the_command(command, kind):
    own = {text for param in command.params for text in param.opts}
    assert not own & {f"--{option.name}" for option in kinds.get(kind).options}
