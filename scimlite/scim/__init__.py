"""The protocol of RFC 7643, RFC 7644 and RFC 9865: pure functions over plain data, without Flask, database or I/O.

| topic | modules |
| --- | --- |
| attributes, schemas, resource types | `schema`; `core` declares User, Group and the enterprise extension |
| declarations of an app | `declaration` (one), `declaration_form` (as JSON), `declared` (all of an app) |
| paths and filters | `path`, `filter` (the tree), `filter_parser`, `comparison` |
| values and documents | `values`, `document`, `immutable`, `versions` |
| PATCH | `patch_path`, `patch` (the request), `patch_edits`, `patch_plan` (the result), `patch_apply` |
| messages | `messages`, `query`, `bulk`, `bulk_order`; `forms` reads them with marshmallow |
| answers | `projection`; `openapi` and `openapi_schemas` describe the service |
| clients and refusals | `quirks` (real clients beside the RFCs), `masking` (refused requests as they are kept) |
"""
