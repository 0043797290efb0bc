"""The smallest Django project that serves django-scim2, for bench/peers.py; SCIM_TOKEN, SCIM_DATABASE and SCIM_PORT
say how."""
