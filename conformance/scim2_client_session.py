"""scim2-client, the Python client: every answer is validated against its models."""

from __future__ import annotations

from typing import Any

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import SearchRequest
from session import BASE, TOKEN, find, report, step


def main() -> None:
    """Create, read, update, search and bulk."""
    scim = SyncSCIMClient(Client(base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30))
    step("discover", scim.discover)
    user_type, group_type = scim.get_resource_model("User"), scim.get_resource_model("Group")

    ann = step("create a user", lambda: scim.create(user_type(user_name="ann", display_name="Ann", active=True)))
    bob = step("create another", lambda: scim.create(user_type(user_name="bob", emails=[{"value": "bob@example.com"}])))
    read = step("read it", lambda: scim.query(user_type, ann.id))
    step("it is the same", lambda: read.user_name == "ann" and read.display_name == "Ann")
    ann.title = "Engineer"
    step("replace it", lambda: scim.replace(ann).title == "Engineer")
    group = step("create a group", lambda: scim.create(group_type(display_name="Staff", members=[{"value": ann.id}])))
    step("read the group", lambda: [each.value for each in scim.query(group_type, group.id).members] == [ann.id])
    listed = step("list users", lambda: scim.query(user_type))
    step("both are listed", lambda: listed.total_results == 2)
    step("query with a filter", lambda: [each.id for each in _named(scim, user_type, "BOB").resources] == [bob.id])
    step("query the root", lambda: scim.query().total_results == 3)
    step("search everything", lambda: scim.search(SearchRequest(filter='displayName eq "Staff"')).total_results == 1)
    step("search a page", lambda: scim.search(SearchRequest(start_index=1, count=2)).items_per_page == 2)
    step("patch", lambda: _patch(scim, user_type, ann))
    step("bulk", lambda: _bulk(scim, user_type, group_type))
    step("delete the group", lambda: scim.delete(group_type, group.id) is None)
    step("delete a user", lambda: scim.delete(user_type, bob.id) is None)
    step("it is gone", lambda: find("Users", 'userName eq "bob"') == [])
    report()


def _named(scim: SyncSCIMClient, user_type: Any, name: str) -> Any:
    return scim.query(user_type, query_parameters=SearchRequest(filter=f'userName eq "{name}"'))


def _patch(scim: SyncSCIMClient, user_type: Any, ann: Any) -> bool:
    from scim2_models import PatchOp, PatchOperation

    operation = PatchOperation(op="replace", path="displayName", value="Ann Other")
    scim.modify(user_type, ann.id, PatchOp[user_type](operations=[operation]))
    return bool(find("Users", 'displayName eq "Ann Other"')[0]["id"] == ann.id)


def _bulk(scim: SyncSCIMClient, user_type: Any, group_type: Any) -> bool:
    from scim2_models import BulkOperation, BulkRequest

    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bulky"}
    group = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Bulk group",
        "members": [{"value": "bulkId:u"}],
    }
    operations = [
        BulkOperation[group_type](method="POST", path="/Groups", bulk_id="g", data=group),
        BulkOperation[user_type](method="POST", path="/Users", bulk_id="u", data=user),
    ]
    answer = scim.bulk(BulkRequest[user_type | group_type](operations=operations))
    made = find("Groups", 'displayName eq "Bulk group"')[0]["members"]
    return [str(each.status) for each in answer.operations] == ["201", "201"] and len(made) == 1


main()
