"""The SCIM blueprint: RFC 7644 over HTTP."""
