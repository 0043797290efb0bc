"""Members of groups of an app's own types, where the declaration says so: agents and devices in groups."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import ScimClient, add_members, assert_scim_error
from scimlite.admin import apps, schemas
from scimlite.apps import AppError

CORE = "urn:ietf:params:scim:schemas:core:2.0"
ROBOT = "urn:example:schemas:2.0:Robot"


@pytest.fixture
def agents(installation: Installation, app: Connected) -> ScimClient:
    """The client of an app that declares agents."""
    schemas.add_entry(installation.scope, app.slug, "agents")
    return app.client


def agent(client: ScimClient, name: str, **attributes: Any) -> str:
    return client.post("/Agents", {"name": name, **attributes}).ok(201).id


def names(found: Any) -> list[str]:
    return [each.get("userName") or each.get("displayName") or each["name"] for each in found["Resources"]]


def test_an_agent_is_a_member_like_a_user(agents: ScimClient) -> None:
    bot, ada = agent(agents, "bot"), agents.user("ada").ok(201).id
    made = agents.group("Support", bot, ada).ok(201)
    members = agents.get(f"/Groups/{made.id}").ok(200).json["members"]
    links = {each["value"]: (each["type"], each["$ref"]) for each in members}
    assert links == {bot: ("Agent", f"{agents.base}/Agents/{bot}"), ada: ("User", f"{agents.base}/Users/{ada}")}
    shown = agents.get(f"/Groups/{made.id}?attributes=members.display").ok(200).json["members"]
    assert sorted(each["display"] for each in shown) == ["ada", "bot"]
    assert agents.get(f"/Agents/{bot}").ok(200).json["groups"] == [
        {"value": made.id, "$ref": f"{agents.base}/Groups/{made.id}", "display": "Support", "type": "direct"}
    ]
    assert agents.find("Agents")["Resources"][0]["groups"][0]["display"] == "Support"
    assert "groups" not in agents.get(f"/Agents/{bot}?excludedAttributes=groups").ok(200).json


@pytest.mark.parametrize("operation", ["add", "replace"])
def test_members_come_and_go_by_patch_and_put(agents: ScimClient, operation: str) -> None:
    first, second = agent(agents, "first"), agent(agents, "second")
    group = agents.group("Support", first).ok(201).id
    agents.patch(f"/Groups/{group}", {"op": operation, "path": "members", "value": [{"value": second}]}).ok(200)
    assert agents.members(group) == ({first, second} if operation == "add" else {second})
    agents.put(f"/Groups/{group}", {"displayName": "Support", "members": [{"value": first, "type": "Agent"}]}).ok(200)
    assert agents.members(group) == {first}
    agents.patch(f"/Groups/{group}", {"op": "remove", "path": "members", "value": [{"value": first}]}).ok(200)
    assert agents.members(group) == set()
    assert "groups" not in agents.get(f"/Agents/{first}").ok(200).json


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ('members[type eq "Agent"]', {"ada"}),
        ('members[type ne "agent"]', {"bot", "helper"}),
        ('members[$ref eq "{base}/Agents/{bot}"]', {"ada", "helper"}),
        ('members[$ref sw "{base}/Agents/"]', {"ada"}),
        ('members[not (value eq "{bot}")]', {"bot"}),
        ('members[display eq "BOT"]', {"ada", "helper"}),
    ],
)
def test_paths_that_filter_members(agents: ScimClient, path: str, left: set[str]) -> None:
    ids = {"bot": agent(agents, "bot"), "helper": agent(agents, "x", displayName="helper")}
    ids["ada"] = agents.user("ada").ok(201).id
    group = agents.group("Support", *ids.values()).ok(201).id
    agents.patch(f"/Groups/{group}", {"op": "remove", "path": path.format(base=agents.base, **ids)}).ok(200)
    assert agents.members(group) == {ids[name] for name in left}


def test_filters_see_both_ends(agents: ScimClient) -> None:
    bot, idle, ada = agent(agents, "bot"), agent(agents, "idle"), agents.user("ada").ok(201).id
    inner = agents.group("Inner", bot).ok(201).id
    outer = agents.group("Outer", inner, ada).ok(201).id
    find = agents.find
    assert names(find("Groups", filter='members[type eq "Agent"]')) == ["Inner"]
    assert names(find("Groups", filter=f'members.value eq "{bot}"')) == ["Inner"]
    assert names(find("Groups", filter=f'members.$ref eq "{agents.base}/Agents/{bot}"')) == ["Inner"]
    assert names(find("Groups", filter='members.display eq "Bot"')) == ["Inner"]
    assert names(find("Agents", filter=f'groups.value eq "{outer}"')) == ["bot"]
    assert names(find("Agents", filter='groups.display eq "inner"')) == ["bot"]
    assert names(find("Agents", filter=f'groups.$ref eq "{agents.base}/Groups/{inner}"')) == ["bot"]
    assert names(find("Agents", filter="groups pr")) == ["bot"]
    assert names(find("Agents", filter="not (groups pr)")) == ["idle"]
    assert names(find("Users", filter=f'groups.value eq "{outer}"')) == ["ada"]
    assert [each["type"] for each in agents.get(f"/Agents/{bot}").ok(200).json["groups"]] == ["direct", "indirect"]
    searched = agents.post("/.search", {"filter": f'groups.value eq "{outer}"'}).ok(200).json
    assert sorted(names(searched)) == ["ada", "bot"]
    assert idle


def test_who_cannot_be_a_member_is_unknown(installation: Installation, agents: ScimClient, app: Connected) -> None:
    """An application that hosts agents is not declared as a member of groups, and another app's agent is not here."""
    platform = agents.post("/AgenticApplications", {"name": "platform"}).ok(201).id
    other = installation.app("other")
    schemas.add_entry(installation.scope, other.slug, "agents")
    stranger = agent(other.client, "stranger")
    bot = agent(agents, "bot")
    group = agents.group("Support", bot, platform, stranger).ok(201).id
    assert agents.members(group) == {bot}
    apps.edit(installation.scope, app.slug, features={"unknown_members": "refuse"})
    for wrong in (platform, stranger):
        refused = agents.patch(f"/Groups/{group}", add_members(wrong))
        assert_scim_error(refused, 400, "invalidValue", f"members.value: 1 not found in this app: {wrong}")


def test_groups_of_an_agent_are_for_the_service_to_write(agents: ScimClient) -> None:
    bot, group = agent(agents, "bot", groups=[{"value": "x"}]), agents.group("Support").ok(201).id
    assert "groups" not in agents.get(f"/Agents/{bot}").ok(200).json
    change = {"op": "add", "path": "groups", "value": [{"value": group}]}
    assert_scim_error(agents.patch(f"/Agents/{bot}", change), 400, "mutability", "groups")


def test_deleted_ends_do_not_show(agents: ScimClient) -> None:
    bot, helper = agent(agents, "bot"), agent(agents, "helper")
    group = agents.group("Support", bot, helper).ok(201)
    agents.delete(f"/Agents/{bot}").ok(204)
    assert agents.members(group.id) == {helper}
    assert agents.get(f"/Groups/{group.id}", headers={"If-None-Match": group.etag}).status == 200
    agents.delete(f"/Groups/{group.id}").ok(204)
    assert "groups" not in agents.get(f"/Agents/{helper}").ok(200).json


def test_an_answer_with_groups_is_never_taken_for_the_same(agents: ScimClient) -> None:
    bot = agent(agents, "bot")
    etag = agents.get(f"/Agents/{bot}").ok(200).etag
    group = agents.group("Support", bot).ok(201).id
    fresh = {"If-None-Match": etag}
    assert agents.get(f"/Agents/{bot}", headers=fresh).ok(200).json["groups"]
    agents.patch(f"/Groups/{group}", {"op": "remove", "path": "members"}).ok(200)
    assert "groups" not in agents.get(f"/Agents/{bot}", headers=fresh).ok(200).json
    assert agents.get(f"/Agents/{bot}?excludedAttributes=groups", headers=fresh).status == 304


def test_bulk_puts_a_new_agent_into_a_new_group(agents: ScimClient) -> None:
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": "g",
            "data": {"displayName": "G", "members": [{"value": "bulkId:a"}]},
        },
        {"method": "POST", "path": "/Agents", "bulkId": "a", "data": {"name": "bot"}},
    ]
    done = agents.post("/Bulk", {"Operations": operations}).ok(200).json["Operations"]
    assert [each["status"] for each in done] == ["201", "201"]
    assert agents.find("Agents")["Resources"][0]["groups"][0]["display"] == "G"


def test_discovery_says_which_types_can_be_members(agents: ScimClient, installation: Installation) -> None:
    def members(client: ScimClient) -> dict[str, Any]:
        attributes = client.get(f"/Schemas/{CORE}:Group").ok(200).json["attributes"]
        return {sub["name"]: sub for each in attributes if each["name"] == "members" for sub in each["subAttributes"]}

    assert members(agents)["type"]["canonicalValues"] == ["User", "Group", "Agent"]
    assert members(agents)["$ref"]["referenceTypes"] == ["User", "Group", "Agent"]
    assert members(installation.app("plain").client)["type"]["canonicalValues"] == ["User", "Group"]
    # RFC 7643 section 6 has no such member.
    assert "memberOfGroups" not in agents.get("/ResourceTypes/Agent").ok(200).json


def test_the_report_names_such_a_member(installation: Installation, agents: ScimClient, app: Connected) -> None:
    bot = agent(agents, "bot")
    group = agents.group("Support", bot).ok(201).id
    agents.patch(f"/Groups/{group}", {"op": "remove", "path": "members"}).ok(200)
    told = [(row.action, row.group, row.detail) for row in installation.journal(app) if row.action.startswith("member")]
    assert told == [
        ("member_added", "Support", f"member is the Agent bot ({bot})"),
        ("member_removed", "Support", f"member is the Agent bot ({bot})"),
    ]


# --- declared anew ------------------------------------------------------------------------------------------------


def robots(*, members: bool = True, **core: Any) -> list[Any]:
    kind = {"name": "Robot", "endpoint": "/Robots", "schema": ROBOT, "memberOfGroups": members}
    return [kind, {"id": ROBOT, "attributes": [{"name": "displayName"}, *core.get("more", [])]}]


def test_a_type_without_the_attribute_groups(installation: Installation, app: Connected) -> None:
    schemas.add(installation.scope, app.slug, robots())
    robot = app.client.post("/Robots", {"displayName": "R2"}).ok(201)
    group = app.client.group("Droids", robot.id).ok(201).id
    assert app.client.members(group) == {robot.id}
    assert "groups" not in app.client.get(f"/Robots/{robot.id}").ok(200).json


def test_members_stand_against_the_end_of_their_type(
    installation: Installation, agents: ScimClient, app: Connected
) -> None:
    bot, ada = agent(agents, "bot"), agents.user("ada").ok(201).id
    group = agents.group("Support", bot, ada).ok(201)
    other = agents.group("Other", ada).ok(201)
    with pytest.raises(AppError, match="1 resources of the type Agent"):
        schemas.remove(installation.scope, app.slug, "Agent")
    said = schemas.remove(installation.scope, app.slug, "Agent", force=True)
    assert "1 members of the type Agent were removed from 1 groups." in said
    shown = agents.get(f"/Groups/{group.id}", headers={"If-None-Match": group.etag}).ok(200)
    assert [each["value"] for each in shown.json["members"]] == [ada]
    assert shown.json["meta"]["lastModified"] > group.json["meta"]["lastModified"]
    assert agents.get(f"/Groups/{other.id}", headers={"If-None-Match": other.etag}).status == 304
    assert_scim_error(agents.get(f"/Agents/{bot}"), 404)
    # The name is free, and nobody is back in the group.
    schemas.add_entry(installation.scope, app.slug, "agents")
    agent(agents, "bot")
    assert agents.members(group.id) == {ada}


def test_members_stand_against_a_type_that_is_no_member_any_more(installation: Installation, app: Connected) -> None:
    schemas.add(installation.scope, app.slug, robots())
    client = app.client
    robot, gone = (client.post("/Robots", {"displayName": name}).ok(201).id for name in ("R2", "C3"))
    group = client.group("Droids", robot, gone).ok(201).id
    client.delete(f"/Robots/{gone}").ok(204)
    with pytest.raises(AppError, match=r"Groups have Robot resources as members \(1, in 1 groups\)"):
        schemas.add(installation.scope, app.slug, robots(members=False))
    assert client.members(group) == {robot}
    schemas.add(installation.scope, app.slug, robots(members=False), force=True)
    assert client.members(group) == set()
    assert client.get(f"/Robots/{robot}").ok(200).json["displayName"] == "R2"
    client.patch(f"/Groups/{group}", add_members(robot)).ok(200)
    assert client.members(group) == set()
    schemas.add(installation.scope, app.slug, robots())
    client.patch(f"/Groups/{group}", add_members(robot)).ok(200)
    assert client.members(group) == {robot}


def test_both_endpoints_follow_a_renamed_endpoint(installation: Installation, app: Connected) -> None:
    schemas.add(installation.scope, app.slug, robots())
    robot = app.client.post("/Robots", {"displayName": "R2"}).ok(201).id
    group = app.client.group("Droids", robot).ok(201).id
    moved = robots()
    moved[0]["endpoint"] = "/Droids"
    schemas.add(installation.scope, app.slug, moved)
    (member,) = app.client.get(f"/Groups/{group}").ok(200).json["members"]
    assert member["$ref"] == f"{app.client.base}/Droids/{robot}"
    assert app.client.find("Groups", filter=f'members.$ref eq "{member["$ref"]}"')["totalResults"] == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (robots(more=[{"name": "groups"}]), "Robot: groups of a member of groups is complex"),
        (
            [{"name": "User", "endpoint": "/Users", "schema": f"{CORE}:User", "memberOfGroups": True}],
            "is a member of groups already",
        ),
        ([{**robots()[0], "memberOfGroups": "yes"}, robots()[1]], "memberOfGroups"),
    ],
)
def test_a_declaration_that_cannot_hold(installation: Installation, app: Connected, body: Any, said: str) -> None:
    with pytest.raises(AppError, match=said):
        schemas.add(installation.scope, app.slug, body)
