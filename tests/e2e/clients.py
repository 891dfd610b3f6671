"""A person at a running site without a browser: signs up, holds a token, uploads by tus, asks the gate."""

import base64
import http.client
import http.cookiejar
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.e2e.sites import Site, until

PASSWORD = "a long enough passphrase 26"
ENDED = {"done", "failed", "cancelled", "skipped"}


class _Unredirected(urllib.request.HTTPRedirectHandler):
    """Redirects are answers here, to be looked at."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of one response, errors included."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Person:
    """Somebody with an account at the site, a session and a token."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name, self.token = site, name, ""
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jar), _Unredirected)
        self.base = site.url
        self._sign_up()

    def cookies(self) -> list[http.cookiejar.Cookie]:
        return list(self._jar)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request; `path` may be a whole address. Header names are written with underscores."""
        address = path if path.startswith("http") else self.base + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(address, data=body, method=method, headers=named)
        try:
            with self._opener.open(request, timeout=120) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def api(self, method: str, path: str, data: Any = None, *, expect: int = 200) -> Any:
        body = None if data is None else json.dumps(data).encode()
        headers = {"Content_Type": "application/json"} if data is not None else {}
        answer = self.ask(method, f"/api/v1/{path}", body, Authorization=f"Bearer {self.token}", **headers)
        assert answer.status == expect, f"{method} {path}: {answer.status} {answer.text}{self._server_said(answer)}"
        return answer.json() if answer.body else None

    def _server_said(self, answer: Answer) -> str:
        """The end of the site's log where the answer is the server's own fault: the answer itself says nothing."""
        return f"\n{self.site.log.read_text()[-6000:]}" if answer.status >= 500 else ""

    def post_form(self, path: str, **fields: str) -> Answer:
        """What a page's form sends, with the session's CSRF token."""
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": self._csrf(), **fields}).encode()
        return self.ask("POST", path, body, Referer=self.base)

    def _csrf(self) -> str:
        return next((cookie.value or "" for cookie in self._jar if cookie.name == "csrftoken"), "")

    def _sign_up(self) -> None:
        assert self.ask("GET", "/sign-up").status == 200
        fields = {"username": self.name, "email": f"{self.name}@example.org", "password": PASSWORD}
        answer = self.post_form("/sign-up", **fields)
        assert answer.status == 302, answer.text
        wanted = json.dumps({"name": "tests", "scopes": ["read", "write", "download"]}).encode()
        made = self.ask("POST", "/api/v1/tokens", wanted, Content_Type="application/json", X_CSRFToken=self._csrf())
        self.token = made.json()["secret"]

    # Uploading

    def tus_create(self, length: int, filename: str) -> str:
        """The address of a new upload."""
        metadata = f"filename {base64.b64encode(filename.encode()).decode()}"
        answer = self._tus("POST", "/api/v1/uploads", None, Upload_Length=str(length), Upload_Metadata=metadata)
        assert answer.status == 201, answer.text
        return str(answer.headers["Location"])

    def tus_offset(self, address: str) -> int:
        answer = self._tus("HEAD", address)
        assert answer.status == 200
        return int(answer.headers["Upload-Offset"])

    def tus_patch(self, address: str, offset: int, piece: bytes) -> Answer:
        kind = "application/offset+octet-stream"
        return self._tus("PATCH", address, piece, Upload_Offset=str(offset), Content_Type=kind)

    def _tus(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        return self.ask(method, path, body, Tus_Resumable="1.0.0", Authorization=f"Bearer {self.token}", **headers)

    def tus_connection(self, address: str, offset: int, announced: int) -> http.client.HTTPConnection:
        """An open PATCH that has announced so many bytes and sent none."""
        parts = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=120)
        connection.putrequest("PATCH", parts.path)
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Tus-Resumable": "1.0.0",
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
            "Content-Length": str(announced),
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection

    def tus_stream(self, address: str, offset: int, pieces: Iterable[bytes], length: int) -> None:
        """Send all that is left in one PATCH, piece by piece."""
        connection = self.tus_connection(address, offset, length)
        for piece in pieces:
            connection.send(piece)
        response = connection.getresponse()
        assert response.status == 204, response.read()
        connection.close()

    def upload(self, name: str, content: bytes, **declared: Any) -> str:
        """A whole file, submitted; the address that the upload had."""
        address = self.tus_create(len(content), f"{name}.safetensors")
        assert self.tus_patch(address, 0, content).status == 204
        self.submit(name, address, **declared)
        return address

    def submit(self, name: str, address: str, **declared: Any) -> None:
        declaration = {
            "upload": address.rsplit("/", 1)[1],
            "base_model": "tinybase",
            "licence_id": "apache-2.0",
            "training_sources": "Drawn by the author.",
            "depicts_real_person": False,
            "rights_edition": self.api("GET", "rights-statement")["edition"],
            **declared,
        }
        self.api("POST", f"adapters/{self.name}/{name}/versions", declaration, expect=201)

    # Looking

    def version(self, name: str) -> Any:
        return self.api("GET", f"adapters/{self.name}/{name}/versions/1")

    def inspected(self, name: str, seconds: float = 90) -> Any:
        """The version once it is no longer being inspected."""

        def look() -> Any:
            version = self.version(name)
            return None if version["state"] == "scanning" else version

        return until(look, f"inspection of {name}", seconds)

    def job(self, name: str) -> Any:
        """The newest preview job, or None."""
        jobs = self.api("GET", f"adapters/{self.name}/{name}/versions/1/previews")
        return jobs[0] if jobs else None

    def previewed(self, name: str, seconds: float = 120) -> Any:
        """The newest preview job once it has ended."""

        def look() -> Any:
            job = self.job(name)
            return job if job and job["state"] in ENDED else None

        return until(look, f"previews of {name}", seconds)

    def download_url(self, name: str) -> str:
        """Through the gate: ask, accept exactly these terms, take the link."""
        path = f"adapters/{self.name}/{name}/versions/1/download"
        terms = self.api("POST", path, {"use": "personal"})["terms"]
        passed = self.api("POST", path, {"use": "personal", "accepted_terms": terms["digest"]})
        return str(passed["download_url"])

    def pictures(self, name: str) -> list[bytes]:
        """The bytes of all preview pictures."""
        images = self.version(name)["images"]
        return [self.ask("GET", urllib.parse.urlsplit(image["url"]).path).body for image in images]
