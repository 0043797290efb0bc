"""The page at `/` says what answers there, to people and to programs."""

import json
import urllib.error
import urllib.request

import pytest

from installation import Installation


def get(installation, accept=None, method="GET"):
    headers = {} if accept is None else {"Accept": accept}
    request = urllib.request.Request(f"{installation.url}/", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


@pytest.mark.parametrize("accept", [None, "*/*", "text/html", "text/html,application/xhtml+xml,*/*;q=0.8"])
def test_people_get_a_page(installation: Installation, accept):
    media_type, page = get(installation, accept)
    assert media_type == "text/html; charset=utf-8"
    assert len(page) < 2000
    for each in ("scimlite", "SCIM 2.0", 'href="healthz"', 'href="openapi.json"', "/scim/v2/&lt;app&gt;"):
        assert each in page
    assert "http" not in page


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/html;q=0.5"])
def test_programs_get_json(installation: Installation, accept):
    media_type, text = get(installation, accept)
    assert media_type == "application/json"
    facts = json.loads(text)
    assert (facts["name"], facts["scim"]) == ("scimlite", "scim/v2/{app}")
    for link in (facts["health"], facts["openapi"]):
        with urllib.request.urlopen(f"{installation.url}/{link}", timeout=10) as answer:
            assert answer.status == 200


def test_it_is_for_reading_only(installation: Installation):
    assert get(installation, method="HEAD")[1] == ""
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(installation, method="POST")
    with refused.value as answer:
        assert answer.code == 405
        assert "urn:ietf:params:scim:api:messages:2.0:Error" in answer.read().decode()
