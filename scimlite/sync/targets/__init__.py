"""Targets: SCIM servers that an app's users and groups are pushed to."""
