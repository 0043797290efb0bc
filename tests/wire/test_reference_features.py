"""What Microsoft's reference code does and the RFCs do not have: a feature each, off by default."""

from __future__ import annotations

from typing import Any

import pytest

from installation import Connected, Installation
from scim_client import GROUP_URN, ScimClient, assert_scim_error
from scimlite.admin import apps

Json = Any


def displays(client: ScimClient, group: str) -> dict[str, str]:
    """What a group calls its members, by id."""
    members = client.get(f"/Groups/{group}?attributes=members.value,members.display").ok(200).json.get("members", [])
    return {member["value"]: member["display"] for member in members}


@pytest.fixture
def sent(installation: Installation) -> Connected:
    return installation.app(member_display="sent")


class TestServiceConfiguration:
    def test_it_is_where_the_reference_code_has_it(self, installation: Installation) -> None:
        app = installation.app(service_configuration="on")
        answer = app.client.get("/serviceConfiguration").ok(200)
        assert answer.content == app.client.get("/ServiceProviderConfig").ok(200).content
        assert answer.json["patch"] == {"supported": True}

    def test_it_is_not_there_by_default(self, app: Connected) -> None:
        assert_scim_error(app.client.get("/serviceConfiguration"), 404)

    def test_it_needs_a_token_and_tells_strangers_nothing(self, installation: Installation) -> None:
        on, off = installation.app(service_configuration="on"), installation.app()
        for app in (on, off):
            assert_scim_error(installation.client(app.slug, None).get("/serviceConfiguration"), 401)

    def test_it_is_only_read(self, installation: Installation) -> None:
        app = installation.app(service_configuration="on")
        assert_scim_error(app.client.post("/serviceConfiguration", {}), 405)


class TestMemberDisplay:
    @pytest.mark.parametrize("name", ["display", "displayName"])
    def test_a_member_is_called_as_the_client_called_it(self, sent: Connected, name: str) -> None:
        client = sent.client
        ann, bob, cat = (client.user(each, displayName=each.title()).ok(201).id for each in ("ann", "bob", "cat"))
        members = [{"value": ann, name: "The boss"}, {"value": bob}]
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": members}
        group = client.post("/Groups", body).ok(201).id
        assert displays(client, group) == {ann: "The boss", bob: "Bob"}
        operation = {"op": "add", "path": "members", "value": [{"value": cat, name: "New User"}]}
        client.patch(f"/Groups/{group}", operation).ok(200)
        assert displays(client, group) == {ann: "The boss", bob: "Bob", cat: "New User"}

    def test_a_member_that_is_there_keeps_its_name_and_one_that_comes_back_has_the_new_one(
        self, sent: Connected
    ) -> None:
        client = sent.client
        ann = client.user("ann").ok(201).id
        group = client.group("Staff").ok(201).id
        first = {"op": "add", "path": "members", "value": [{"value": ann, "display": "First"}]}
        second = {"op": "add", "path": "members", "value": [{"value": ann, "display": "Second"}]}
        remove = {"op": "remove", "path": "members"}
        etag = client.patch(f"/Groups/{group}", first).ok(200).etag
        assert client.patch(f"/Groups/{group}", second).ok(200).etag == etag
        assert displays(client, group) == {ann: "First"}
        client.patch(f"/Groups/{group}", remove, second).ok(200)
        assert displays(client, group) in ({ann: "First"}, {ann: "Second"})
        client.patch(f"/Groups/{group}", remove).ok(200)
        client.patch(f"/Groups/{group}", second).ok(200)
        assert displays(client, group) == {ann: "Second"}

    def test_put_names_those_who_are_new(self, sent: Connected) -> None:
        client = sent.client
        ann, bob = (client.user(each).ok(201).id for each in ("ann", "bob"))
        group = client.group("Staff", ann).ok(201).id
        members = [{"value": ann, "display": "A"}, {"value": bob, "display": "B"}]
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": members}
        client.put(f"/Groups/{group}", body).ok(200)
        assert displays(client, group) == {ann: "ann", bob: "B"}

    def test_it_is_in_every_answer_and_in_the_schema(self, sent: Connected) -> None:
        client = sent.client
        ann = client.user("ann").ok(201).id
        member = {"value": ann, "display": "The boss"}
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": [member]}
        made = client.post("/Groups", body).ok(201)
        shown = {**member, "type": "User", "$ref": f"{client.base}/Users/{ann}"}
        rename = {"op": "replace", "path": "displayName", "value": "Team"}
        for answer in (made, client.get(f"/Groups/{made.id}"), client.patch(f"/Groups/{made.id}", rename)):
            assert answer.ok().json["members"] == [shown]
        assert client.find("Groups")["Resources"][0]["members"] == [shown]
        excluded = client.get(f"/Groups/{made.id}?excludedAttributes=members.display").ok(200).json["members"]
        assert excluded == [{name: value for name, value in shown.items() if name != "display"}]
        (members,) = (
            attribute
            for attribute in client.get(f"/Schemas/{GROUP_URN}").ok(200).json["attributes"]
            if attribute["name"] == "members"
        )
        (display,) = (sub for sub in members["subAttributes"] if sub["name"] == "display")
        assert (display["mutability"], display["returned"]) == ("immutable", "default")

    def test_a_group_in_a_group_is_named_too(self, sent: Connected) -> None:
        client = sent.client
        inner = client.group("Inner").ok(201).id
        body = {"schemas": [GROUP_URN], "displayName": "Outer", "members": [{"value": inner, "display": "In"}]}
        assert displays(client, client.post("/Groups", body).ok(201).id) == {inner: "In"}

    @pytest.mark.parametrize("display", ["", None, "x" * 1001])
    def test_what_is_no_name_is_left_out(self, sent: Connected, display: Json) -> None:
        client = sent.client
        ann = client.user("ann").ok(201).id
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": [{"value": ann, "display": display}]}
        assert displays(client, client.post("/Groups", body).ok(201).id) == {ann: "ann"}

    def test_what_is_no_text_is_refused(self, sent: Connected) -> None:
        client = sent.client
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": [{"value": "1", "display": {"a": "b"}}]}
        assert_scim_error(client.post("/Groups", body), 400, "invalidValue", "members.display takes a string")

    def test_by_default_a_member_has_its_own_name(self, app: Connected) -> None:
        client = app.client
        ann = client.user("ann", displayName="Ann").ok(201).id
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": [{"value": ann, "display": "The boss"}]}
        group = client.post("/Groups", body).ok(201).id
        assert displays(client, group) == {ann: "Ann"}
        client.patch(f"/Users/{ann}", {"op": "replace", "path": "displayName", "value": "Anne"}).ok(200)
        assert displays(client, group) == {ann: "Anne"}

    def test_switching_the_feature_forgets_what_was_sent(self, installation: Installation, sent: Connected) -> None:
        client = sent.client
        ann = client.user("ann").ok(201).id
        body = {"schemas": [GROUP_URN], "displayName": "Staff", "members": [{"value": ann, "display": "The boss"}]}
        group = client.post("/Groups", body).ok(201).id
        for value in ("current", "sent"):
            apps.edit(installation.scope, sent.slug, features={"member-display": value})
            assert displays(client, group) == {ann: "ann"}
