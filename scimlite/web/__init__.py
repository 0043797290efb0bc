"""HTTP: the only package that imports Flask. `app` is the whole service, `scim` the SCIM endpoint."""
