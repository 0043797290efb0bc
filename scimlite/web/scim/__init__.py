"""The SCIM endpoint as a Flask blueprint (RFC 7644)."""
