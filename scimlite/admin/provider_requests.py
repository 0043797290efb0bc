"""The requests that an identity provider sends, each with a check of its answer, for the connection test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from ..apps.workspace import Workspace
from ..errors import ScimError
from ..journal.origin import CONNECTION_TEST_NAMES
from ..scim import core
from ..scim.schema import ResourceType
from . import deleted
from .example_resource import example
from .wire import Answer, Wire, WireError, wrong_address

_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class ProviderRequests:
    """Requests about one test user and one test group; each raises WireError when the answer is not right."""

    def __init__(self, wire: Wire, workspace: Workspace) -> None:
        #: Remarks on answers that are right and may still not be what the operator wants.
        self.notes: list[str] = []
        self._wire = wire
        self._workspace = workspace
        self._name = f"{CONNECTION_TEST_NAMES}{uuid.uuid4().hex[:12]}"
        # RFC 2606 section 2: nobody has an address there.
        self._user_name = f"{self._name}@example.invalid"
        self._by_user_name = f'userName eq "{self._user_name}"'
        #: Endpoint to the filter that finds the resource that may have been created there and is not yet removed.
        self._created: dict[str, str] = {}
        self._user = ""
        self._group = ""

    def clean_up(self) -> None:
        """Removes the user and the group that are still there, then every trace but the report's entries.

        Adds a note when that fails.
        """
        kept = []
        for endpoint, condition in reversed(self._created.items()):
            self._wire.close()
            try:
                answer = self._wire.ask("GET", f"/{endpoint}?attributes=id&filter={quote(condition)}")
                for resource in _resources(answer):
                    self._wire.ask("DELETE", f"/{endpoint}/{quote(resource['id'])}", expect=(204, 404))
            except WireError:
                kept.append(endpoint)
        # Tombstones of users would stay for ever; what a feature forbids to delete would stay as well.
        for resource_type, name in ((core.GROUP, self._name), (core.USER, self._user_name)):
            if not deleted.purge_named(self._workspace, resource_type, name) and resource_type.endpoint in kept:
                self.notes.append(
                    f"{self._name} may still be in {resource_type.endpoint}: remove it when the service works again."
                )

    # --- reading the service --------------------------------------------------------------------------------------

    def read_config(self) -> Answer:
        """Reads the ServiceProviderConfig, which needs no token that works."""
        answer = self._wire.ask("GET", "/ServiceProviderConfig", expect=(200, 404))
        if answer.status == 404:
            raise wrong_address(answer)
        _check("patch" in answer.json, "The answer is no ServiceProviderConfig.", answer)
        return answer

    def read_schemas(self) -> Answer:
        """Reads the schemas, among which is the one of users."""
        answer = self._wire.ask("GET", "/Schemas")
        ids = [resource.get("id") for resource in _resources(answer)]
        _check(core.USER.schema.id in ids, "The schema of users is missing.", answer)
        return answer

    def find_no_user(self) -> Answer:
        """Looks for a user who does not exist, as Entra ID's Test Connection does."""
        return self._find_nothing("Users", f'userName eq "{uuid.uuid4()}"')

    def find_no_group(self) -> Answer:
        """Looks for a group that does not exist, as Entra ID's Test Connection does."""
        return self._find_nothing("Groups", f'displayName eq "{uuid.uuid4()}"', "excludedAttributes=members&")

    def _find_nothing(self, endpoint: str, condition: str, before: str = "") -> Answer:
        answer = self._wire.ask("GET", f"/{endpoint}?{before}filter={quote(condition)}")
        _check(answer.json.get("totalResults") == 0, "Something was found that does not exist.", answer)
        return answer

    # --- the user -------------------------------------------------------------------------------------------------

    def create_user(self) -> Answer:
        """Creates the test user."""
        with self._creating("Users", self._by_user_name):
            answer = self._wire.ask(
                "POST",
                "/Users",
                self._example(
                    core.USER,
                    userName=self._user_name,
                    displayName="scimlite connection test, may be deleted",
                    externalId=self._name,
                    active=True,
                ),
                expect=(201,),
            )
            self._user = _id(answer)
        self._compare_address(answer)
        return answer

    def _example(self, kind: ResourceType, **values: Any) -> dict[str, Any]:
        """Returns a resource with what the app's mapping and schemas require."""
        app = self._workspace.app
        body = {"schemas": [kind.schema.id], **values}
        try:
            return example(app, app.resource_types[kind.endpoint], body, self._name)
        except ScimError as error:
            advice = f"Compare `scimlite schema list --app {app.slug}` and `scimlite mapping show --app {app.slug}`."
            raise WireError(f"The test cannot make such a resource: {error.detail}", advice) from None

    def _compare_address(self, answer: Answer) -> None:
        """Adds a note when the service does not know the address that the request was sent to."""
        location = answer.headers.get("location", "").removesuffix(f"/Users/{self._user}")
        if location != self._wire.base.geturl():
            self.notes.append(
                f"The service calls itself {location}. If that is not where the identity provider reaches it, set "
                "SCIMLITE_BASE_URL, or SCIMLITE_TRUSTED_PROXIES when a proxy is in front."
            )

    def find_user(self) -> Answer:
        """Finds the test user by userName."""
        answer = self._wire.ask("GET", f"/Users?filter={quote(self._by_user_name)}")
        ids = [resource.get("id") for resource in _resources(answer)]
        _check(ids == [self._user], "It is not found.", answer)
        return answer

    def read_user(self) -> Answer:
        """Reads the test user by id."""
        answer = self._wire.ask("GET", f"/Users/{self._user}")
        _check(answer.json.get("userName") == self._user_name, "Another userName came back.", answer)
        return answer

    def disable_user(self) -> Answer:
        """Disables the test user with Entra ID's spelling of false; afterwards the user is inactive or deleted."""
        answer = self._patch(f"/Users/{self._user}", {"op": "Replace", "path": "active", "value": "False"})
        # 404 from an app that deletes the deactivated.
        after = self._wire.ask("GET", f"/Users/{self._user}", expect=(200, 404))
        _check(after.status == 404 or after.json.get("active") is False, "The user is still active.", answer)
        return answer

    def delete_user(self) -> Answer:
        """Deletes the test user; afterwards there is no such user."""
        answer = self._wire.ask("DELETE", f"/Users/{self._user}", expect=(204, 404))
        self._wire.ask("GET", f"/Users/{self._user}", expect=(404,))
        del self._created["Users"]
        return answer

    # --- the group ------------------------------------------------------------------------------------------------

    def create_group(self) -> Answer:
        """Creates the test group."""
        body = self._example(core.GROUP, displayName=self._name)
        with self._creating("Groups", f'displayName eq "{self._name}"'):
            answer = self._wire.ask("POST", "/Groups", body, expect=(201,))
            self._group = _id(answer)
        return answer

    def add_member(self) -> Answer:
        """Adds the test user to the test group."""
        answer = self._patch_members({"op": "Add", "path": "members", "value": [{"value": self._user}]})
        _check(self._members() == [self._user], "The group does not show the member.", answer)
        return answer

    def remove_member(self) -> Answer:
        """Takes the test user out of the test group."""
        answer = self._patch_members({"op": "Remove", "path": f'members[value eq "{self._user}"]'})
        _check(self._members() == [], "The group still shows the member.", answer)
        return answer

    def delete_group(self) -> Answer:
        """Deletes the test group; afterwards there is no such group."""
        answer = self._wire.ask("DELETE", f"/Groups/{self._group}", expect=(204,))
        self._wire.ask("GET", f"/Groups/{self._group}", expect=(404,))
        del self._created["Groups"]
        return answer

    def _patch_members(self, operation: dict[str, Any]) -> Answer:
        return self._patch(f"/Groups/{self._group}", operation)

    def _members(self) -> list[str]:
        group = self._wire.ask("GET", f"/Groups/{self._group}").json
        return [member["value"] for member in group.get("members", [])]

    def _patch(self, path: str, operation: dict[str, Any]) -> Answer:
        return self._wire.ask("PATCH", path, {"schemas": [_PATCH], "Operations": [operation]}, expect=(200, 204))

    @contextmanager
    def _creating(self, endpoint: str, condition: str) -> Iterator[None]:
        """Remembers that a resource is there from here on, unless its creation is surely refused."""
        self._created[endpoint] = condition
        try:
            yield
        except WireError as trouble:
            if trouble.status is not None and 400 <= trouble.status < 500:
                del self._created[endpoint]
            raise


def _id(answer: Answer) -> str:
    id = answer.json.get("id")
    _check(isinstance(id, str) and bool(id), "The answer holds no id.", answer)
    return str(id)


def _resources(answer: Answer) -> list[dict[str, Any]]:
    listed = answer.json.get("Resources", [])
    is_list = isinstance(listed, list) and all(isinstance(resource, dict) for resource in listed)
    _check(is_list, "The answer is no list of resources.", answer)
    return list(listed)


def _check(right: bool, meaning: str, answer: Answer) -> None:
    """Raises WireError unless the answer is right."""
    if not right:
        advice = "Look for this request in the service's log, and whether a proxy changes what passes through it."
        raise WireError(meaning, advice, status=answer.status)
