"""The reference: what Flask itself can do, a route that answers a constant JSON."""

from flask import Flask, Response

app = Flask(__name__)


@app.get("/hello")
def hello() -> Response:
    """The constant."""
    return Response(b'{"hello":"world"}', content_type="application/scim+json")
