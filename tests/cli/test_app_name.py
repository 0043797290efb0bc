"""How commands are told their app: `--app`, the first argument, SCIMLITE_APP; slugs and names in any case."""

import pytest

from command_line import every_command

#: Commands with an app, and arguments and options that each needs besides.
ONE_APP = {
    ("app", "show"): (),
    ("app", "edit"): ("--name", "Entra ID"),
    ("app", "enable"): (),
    ("app", "release"): (),
    ("token", "list"): (),
    ("token", "show"): (),
    ("mapping", "show"): (),
    ("mapping", "export"): (),
    ("schema", "list"): (),
    ("user", "export"): (),
}
FIRST_ARGUMENT = [name for name in ONE_APP if name[0] in ("app", "token")]


@pytest.fixture(scope="module")
def entra(site):
    """An app that is called differently from its slug."""
    return site.app("Entra ID", "--slug", "the-app")


@pytest.mark.parametrize("name", ["the-app", "THE-APP", "Entra ID", "entra id", " Entra ID "])
@pytest.mark.parametrize("command", ONE_APP, ids=" ".join)
def test_an_app_is_named_by_slug_or_name_in_any_case(site, entra, command, name):
    assert site.run(*command, "--app", name, *ONE_APP[command]).exit_code == 0
    assert site.run(*command, *ONE_APP[command], SCIMLITE_APP=name).exit_code == 0


@pytest.mark.parametrize("command", FIRST_ARGUMENT, ids=" ".join)
def test_the_first_argument_names_it_too(site, entra, command):
    more = ONE_APP[command]
    assert site.run(*command, "entra id", *more).exit_code == 0
    assert site.run(*command, "the-app", "--app", "THE-APP", *more).exit_code == 0
    said = site.fails(*command, *more, code=2)
    assert "SLUG, --app SLUG, or SCIMLITE_APP" in said


@pytest.mark.parametrize("command", [name for name in FIRST_ARGUMENT if name != ("token", "show")], ids=" ".join)
def test_two_apps_are_one_too_many_and_the_command_line_wins_over_the_environment(site, entra, command):
    more = ONE_APP[command]
    assert "'okta'" in site.fails(*command, "the-app", "--app", "okta", *more, code=2)
    assert site.run(*command, "the-app", *more, SCIMLITE_APP="okta").exit_code == 0
    assert site.run(*command, "--app", "the-app", *more, SCIMLITE_APP="okta").exit_code == 0


@pytest.mark.parametrize("command", [name for name in ONE_APP if name not in FIRST_ARGUMENT], ids=" ".join)
def test_without_an_app_the_ways_to_name_one_are_told(site, entra, command):
    assert "--app SLUG, or SCIMLITE_APP" in site.fails(*command, code=2)


def test_lists_are_of_the_app_in_the_environment(site, entra):
    other = site.app("Other people")
    site.user(entra, "ann@the-app")
    site.user(other, "bob@other")
    for command in (("user", "list", "--json"), ("report", "--json")):
        assert "ann@the-app" in site.ok(*command)
        assert "bob@other" in site.ok(*command)
        chosen = site.ok(*command, SCIMLITE_APP="Entra id")
        assert "ann@the-app" in chosen
        assert "bob@other" not in chosen


def test_a_label_can_stand_alone_when_the_app_is_named_otherwise(site):
    slug = site.app("Labelled")
    issued = site.json("token", "issue", slug, "--label", "2027")["token"]
    for options, env in ((("--app", slug), {}), ((), {"SCIMLITE_APP": slug})):
        assert site.json("token", "show", "2027", *options, **env)["token"] == issued
        assert site.json("token", "show", slug, "2027", *options, **env)["token"] == issued
        assert site.json("token", "show", slug, *options, **env)["label"] == "default"
    site.ok("token", "revoke", "2027", "--app", slug, "--yes")
    assert "has no token" in site.fails("token", "show", "of nobody", "--app", slug)
    assert "Name the token" in site.fails("token", "revoke", slug, "--yes", code=2)


def test_a_name_that_two_apps_share_needs_the_slug(site):
    first, second = site.app("Same Name"), site.app("same name", "--slug", "same-name-2")
    assert site.json("app", "show", "same name")["slug"] == second
    said = site.fails("app", "show", "SAME NAME")
    assert f"2 apps are called 'SAME NAME': {first}, {second}" in said


def test_an_app_that_does_not_exist_is_answered_with_the_one_that_was_meant(site, entra):
    for command in (("app", "show"), ("token", "list")):
        assert "Did you mean 'the-app'?" in site.fails(*command, "the-ap")
    assert "Did you mean 'the-app'?" in site.fails("report", "--app", "teh-app")
    assert "Did you mean" not in site.fails("user", "list", "--app", "quite another")


def test_a_deleted_app_is_named_in_the_report_in_any_case(site):
    slug = site.app("Gone By Now")
    site.ok("app", "delete", slug, "--yes")
    for name in ("gone-by-now", "GONE by now"):
        assert "app_deleted" in site.ok("report", "--app", name, "--json")


def test_every_option_for_an_app_is_read_from_the_environment():
    with_an_app = [
        (path, parameter)
        for path, command in every_command()
        for parameter in command.params
        # Several apps are what an operator is bound to, and not what the command works on.
        if "--app" in parameter.opts and not parameter.multiple
    ]
    assert len(with_an_app) > 20
    for path, parameter in with_an_app:
        assert parameter.envvar == "SCIMLITE_APP", path
