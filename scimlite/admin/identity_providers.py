"""Identity providers: the names of their fields for the two values of an app, and the steps in their consoles.

docs/connect-*.md have the sources.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ..apps import app_profile


class Value(StrEnum):
    """A value of an app that is entered in a step."""

    URL = "url"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Step:
    """One step in the identity provider's console, and the values that are pasted in it."""

    text: str
    values: tuple[Value, ...] = ()


_BOTH = (Value.URL, Value.TOKEN)
_ASSIGN_ONE = "Assign one person first, and watch the list on this page. Then assign the others."


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """Where an identity provider takes the SCIM base URL and the bearer token."""

    #: What `--idp` takes.
    key: str
    title: str
    #: A regular expression for the names of apps that are meant for it.
    named: str
    #: The way to its form.
    place: str
    url_field: str
    token_field: str
    #: What to do once both are pasted.
    then: str
    steps: tuple[Step, ...]
    #: False for one that can reach an address of the own network without https.
    is_remote: bool = True
    #: The profile that suits it.
    profile: str = app_profile.DEFAULT


_OTHER = IdentityProvider(
    "other",
    "The identity provider",
    r"$^",
    "In the provisioning settings of the identity provider",
    "SCIM base URL",
    "Bearer token",
    "and test the connection. Entra ID calls them Tenant URL and Secret Token.",
    (
        Step("Open the provisioning settings of the identity provider, and choose SCIM 2.0 with a bearer token."),
        Step("Enter the two values, which Entra ID calls Tenant URL and Secret Token, and test the connection.", _BOTH),
        Step("Map userName to the name with which people sign in."),
        Step(_ASSIGN_ONE),
    ),
)
PROVIDERS: tuple[IdentityProvider, ...] = (
    IdentityProvider(
        "entra",
        "Entra ID",
        r"entra|azure|microsoft|\baad\b",
        "In the Microsoft Entra admin center: Enterprise applications > "
        'your application > Provisioning, Provisioning Mode "Automatic"',
        "Tenant URL",
        "Secret Token",
        "and press Test Connection.",
        (
            Step(
                "In the Microsoft Entra admin center: Enterprise applications > New application > Create your own "
                "application, Non-gallery. Name it after your application."
            ),
            Step('Provisioning > Get started, Provisioning Mode "Automatic". Under Admin Credentials paste:', _BOTH),
            Step(
                "Press Test Connection, then Save. Entra looks for a user that does not exist, and an empty list is "
                "the right answer."
            ),
            Step(
                "Under Mappings open the users, and give externalId the source objectId: it never changes, while the "
                "default, mailNickname, can."
            ),
            Step("Users and groups > Add user/group: assign who may use the application."),
            Step("Provision on demand: choose one person, and watch the list on this page."),
            Step("Start provisioning. The first cycle runs at once over everybody, later ones about every 40 minutes."),
        ),
        profile="entra",
    ),
    IdentityProvider(
        "okta",
        "Okta",
        r"\bokta|auth0",
        "In the Okta admin console: Applications > your application > "
        'Provisioning > Integration, Authentication Mode "HTTP Header"',
        "SCIM connector base URL",
        "Authorization",
        'with "userName" as Unique identifier field for users, and press Test Connector Configuration. Apps of the '
        'catalogue call them "Base URL" and "API Token".',
        (
            Step(
                "In the Okta admin console: Applications > Create App Integration, SAML 2.0 or SWA. On its General tab "
                "choose Enable SCIM provisioning."
            ),
            Step('Provisioning > Integration, Authentication Mode "HTTP Header":', _BOTH),
            Step(
                "Unique identifier field for users: userName. Supported provisioning actions: Push New Users, Push "
                "Profile Updates, Push Groups."
            ),
            Step("Press Test Connector Configuration, then Save."),
            Step("Provisioning > To App: switch on Create Users, Update User Attributes and Deactivate Users."),
            Step(
                "Assignments: assign one person first, and watch the list on this page. Push Groups: choose the groups."
            ),
        ),
        profile="okta",
    ),
    IdentityProvider(
        "onelogin",
        "OneLogin",
        r"one ?login",
        "In OneLogin: Applications > your application > Configuration",
        "SCIM Base URL",
        "SCIM Bearer Token",
        "and press Enable under API Status.",
        (
            Step('In OneLogin: Applications > Add App, "SCIM Provisioner with SAML (SCIM v2 Enterprise)".'),
            Step("On the Configuration tab paste:", _BOTH),
            Step("Under API Connection press Enable, then Save."),
            Step("Provisioning > Enable provisioning, and choose there what removing a user does."),
            Step(_ASSIGN_ONE),
        ),
    ),
    IdentityProvider(
        "jumpcloud",
        "JumpCloud",
        r"jump ?cloud",
        "In JumpCloud: SSO Applications > your application > Identity Management, SCIM 2.0",
        "Base URL",
        "Token Key",
        "and press Test Connection, then Activate.",
        (
            Step(
                'In JumpCloud: SSO Applications > Add New Application > Custom Application, with "Export users to this '
                'app (Identity Management)".'
            ),
            Step("On the Identity Management tab choose SCIM 2.0, enter a Test User Email, and paste:", _BOTH),
            Step(
                "Press Test Connection, then Activate, then Save. JumpCloud creates a test user and a test group, and "
                "deletes them again."
            ),
            Step("On the User Groups tab choose the groups to send."),
        ),
    ),
    IdentityProvider(
        "google",
        "Google Workspace",
        r"\bgoogle|g ?suite",
        "In the Google Admin console: Apps > Web and mobile apps > your application > Configure autoprovisioning",
        "Endpoint URL",
        "Access token",
        "and map at least userName.",
        (
            Step("In the Google Admin console: Apps > Web and mobile apps, and open your SAML app."),
            Step("Press Configure autoprovisioning, and paste:", _BOTH),
            Step("Map at least userName. Google sends users only, no groups."),
            Step("Choose who is in scope, and switch autoprovisioning on."),
        ),
    ),
    IdentityProvider(
        "ping",
        "Ping",
        r"\bping",
        'In the SCIM connection of PingOne or PingFederate: SCIM Version 2.0, Authentication Method "OAuth 2 Bearer '
        'Token"',
        "SCIM URL (PingOne: SCIM Base URL)",
        "Access Token",
        "with userName as Unique User Identifier.",
        (
            Step("In PingOne or PingFederate: add a SCIM connection, SCIM Version 2.0."),
            Step('Authentication Method "OAuth 2 Bearer Token":', _BOTH),
            Step("Unique User Identifier: userName."),
            Step(_ASSIGN_ONE),
        ),
    ),
    IdentityProvider(
        "keycloak",
        "Keycloak",
        r"keycloak",
        "In Keycloak: User federation > Add provider > scim, authentication mode Bearer",
        "SCIM 2.0 endpoint",
        "Auth password/token",
        "and save.",
        (
            Step("Install the extension keycloak-scim. Realm settings > Events: add scim to the event listeners."),
            Step("User federation > Add provider > scim, authentication mode Bearer, and paste:", _BOTH),
            Step("Save, and change one person."),
        ),
        is_remote=False,
    ),
    IdentityProvider(
        "authentik",
        "authentik",
        r"authentik",
        "In authentik: Applications > Providers > your SCIM provider",
        "URL",
        "Token",
        "and enter it under Backchannel providers of your application.",
        (
            Step("In authentik: Applications > Providers > Create, SCIM Provider, and paste:", _BOTH),
            Step("Open your application, and choose the provider under Backchannel providers."),
            Step("authentik sends every change, and everybody once an hour."),
        ),
        is_remote=False,
    ),
    _OTHER,
)
#: Key and title of each, for a choice.
CHOICES = [*((provider.key, provider.title) for provider in PROVIDERS[:-1]), ("other", "Another identity provider")]
_BY_KEY = {provider.key: provider for provider in PROVIDERS}


def identity_provider(key: str | None, *names: str) -> IdentityProvider:
    """Returns the identity provider with this key; without a key, the one that the profile and names of an
    app suggest. Raises KeyError for an unknown key."""
    if key is not None:
        return _BY_KEY[key]
    return next(
        (provider for name in names for provider in PROVIDERS if re.search(provider.named, name, re.IGNORECASE)),
        _OTHER,
    )
