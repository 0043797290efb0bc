"""scim2-client, the Python client: every answer is validated against its models."""

from __future__ import annotations

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import SearchRequest
from session import BASE, TOKEN, find, report, step


def main() -> None:
    """Create, read, update, search and bulk."""
    scim = SyncSCIMClient(Client(base_url=BASE, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30))
    step("discover", scim.discover)
    User, Group = scim.get_resource_model("User"), scim.get_resource_model("Group")

    ann = step("create a user", lambda: scim.create(User(user_name="ann", display_name="Ann", active=True)))
    bob = step("create another", lambda: scim.create(User(user_name="bob", emails=[{"value": "bob@example.com"}])))
    read = step("read it", lambda: scim.query(User, ann.id))
    step("it is the same", lambda: read.user_name == "ann" and read.display_name == "Ann")
    ann.title = "Engineer"
    step("replace it", lambda: scim.replace(ann).title == "Engineer")
    group = step("create a group", lambda: scim.create(Group(display_name="Staff", members=[{"value": ann.id}])))
    step("read the group", lambda: [each.value for each in scim.query(Group, group.id).members] == [ann.id])
    listed = step("list users", lambda: scim.query(User))
    step("both are listed", lambda: listed.total_results == 2)
    by_name = SearchRequest(filter='userName eq "BOB"')
    step(
        "query with a filter", lambda: [u.id for u in scim.query(User, query_parameters=by_name).resources] == [bob.id]
    )
    step("query the root", lambda: scim.query().total_results == 3)
    step("search everything", lambda: scim.search(SearchRequest(filter='displayName eq "Staff"')).total_results == 1)
    step("search a page", lambda: scim.search(SearchRequest(start_index=1, count=2)).items_per_page == 2)
    step("patch", lambda: _patch(scim, User, ann))
    step("bulk", lambda: _bulk(scim, User, Group))
    step("delete the group", lambda: scim.delete(Group, group.id) is None)
    step("delete a user", lambda: scim.delete(User, bob.id) is None)
    step("it is gone", lambda: find("Users", 'userName eq "bob"') == [])
    report()


def _patch(scim: SyncSCIMClient, User: type, ann: object) -> bool:
    from scim2_models import PatchOp, PatchOperation

    operation = PatchOperation(op="replace", path="displayName", value="Ann Other")
    scim.modify(User, ann.id, PatchOp[User](operations=[operation]))
    return find("Users", 'displayName eq "Ann Other"')[0]["id"] == ann.id


def _bulk(scim: SyncSCIMClient, User: type, Group: type) -> bool:
    from scim2_models import BulkOperation, BulkRequest

    user = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bulky"}
    group = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Bulk group",
        "members": [{"value": "bulkId:u"}],
    }
    operations = [
        BulkOperation[Group](method="POST", path="/Groups", bulk_id="g", data=group),
        BulkOperation[User](method="POST", path="/Users", bulk_id="u", data=user),
    ]
    answer = scim.bulk(BulkRequest[User | Group](operations=operations))
    made = find("Groups", 'displayName eq "Bulk group"')[0]["members"]
    return [str(each.status) for each in answer.operations] == ["201", "201"] and len(made) == 1


main()
