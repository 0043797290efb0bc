"""Completion in bash and zsh for words with `=` and `:` in them, which Click's scripts leave incomplete."""

from __future__ import annotations

import os

from click.shell_completion import BashComplete, ZshComplete, add_completion_class, split_arg_string

#: bash takes a word apart at = and : (COMP_WORDBREAKS) and replaces only what follows the last of them. So the program
#: gets the line as it was typed, and bash gets from each answer what it replaces.
_BASH = r"""
%(complete_func)s() {
    local IFS=$'\n'
    local line="${COMP_LINE:0:COMP_POINT}"
    local word="${line##*[[:space:]]}" breaks="" kept="" type value replies=()
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+="="
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=":"
    # A word in quotation marks is one word.
    if [[ -n $breaks && $word != *[\"\']* ]]; then
        kept="${word%%"${word##*[$breaks]}"}"
    fi

    for value in $(env COMP_WORDS="$line" COMP_CWORD="$COMP_CWORD" %(complete_var)s=bash_complete "$1"); do
        IFS=',' read -r type value <<< "$value"
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            value="${value:${#kept}}"
            [[ $word != *[\"\']* ]] && printf -v value '%%q' "$value"
            replies+=("$value")
        fi
    done
    COMPREPLY=("${replies[@]}")
    # A value follows.
    [[ ${#replies[@]} -eq 1 && ${replies[0]} == *= ]] && compopt -o nospace
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    """bash, with the line up to the cursor in place of the words into which bash divides it."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the one that is typed, and that one; it is empty behind a blank."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        begun = bool(words) and (not line[-1:].isspace() or words[-1].endswith(line[-1]))
        incomplete = words.pop() if begun else ""
        return words[1:], incomplete


#: What Click's script offers, and what to do in its place: no blank comes behind the `=` of a feature.
_OFFER = "_describe -V unsorted completions_with_descriptions -U"
_OFFER_WITHOUT_BLANK = f"""local -a behind
        [[ $completions_with_descriptions[1] == *=:* ]] && behind=(-S '')
        {_OFFER} "${{behind[@]}}"
"""


class _Zsh(ZshComplete):
    """zsh, in which a value follows the name of a feature at once."""

    source_template = ZshComplete.source_template.replace(_OFFER, _OFFER_WITHOUT_BLANK)


def register() -> None:
    """Have Click answer bash and zsh by this module."""
    add_completion_class(_Bash)
    add_completion_class(_Zsh)
