"""The four services over HTTP, all in this process: the whole job, and each refusal."""

import json
import unittest

from communication.main import Communication
from content.main import Content
from identity.main import KEYS, Identity
from identity.tokens import Tokens
from workflow.main import Workflow

from .fakes import TEXT, FakeAccounts, FakeDirectory, Rows, Running

PERSON = {"email": "Ada@example.com", "name": "Ada", "password": "correct horse"}


class ServicesTest(unittest.TestCase):
    """Stores in memory, everything else as in the appliance."""

    def setUp(self):
        self.directory = FakeDirectory()
        self.accounts = FakeAccounts()
        self.tokens = Tokens("secret of this test, long enough for HS256", 3600)
        keys = {name: f"key of {name}" for name in KEYS}
        self.identity = self._start(
            "identity-service", lambda service: Identity(service, self.tokens, keys, self.accounts)
        )
        self.documents = Rows("owner", "title", "text")
        self.content = self._start("content-service", lambda s: Content(s, self.documents))
        messages = Rows("sender", "recipient", "text")
        self.communication = self._start(
            "communication-service", lambda s: Communication(s, messages)
        )
        runs = Rows("owner", "document", "result")
        self.workflow = self._start(
            "workflow-intelligence-service", lambda s: Workflow(s, runs)
        )

    def _start(self, name, build):
        running = Running(name, self.directory, lambda service: build(service).routes())
        self.addCleanup(running.stop)
        return running

    def _post(self, running, path, body, token=None, **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        status, text = running.ask("POST", path, json.dumps(body), headers)
        return status, json.loads(text)

    def _get(self, running, path, token):
        status, text = running.ask("GET", path, headers={"Authorization": f"Bearer {token}"})
        return status, json.loads(text)

    def _log_in(self, **changes):
        person = {**PERSON, **changes}
        self.assertEqual(self._post(self.identity, "/register", person)[0], 201)
        status, answer = self._post(self.identity, "/login", person)
        self.assertEqual(status, 200)
        return answer["access_token"]

    def test_a_document_becomes_a_message(self):
        """Register, log in, document, run, message; each with the caches in between."""
        token = self._log_in()
        self.assertEqual(self._get(self.identity, "/me", token)[1]["email"], "ada@example.com")
        document = {"title": "Harbour", "text": TEXT}
        status, kept = self._post(self.content, "/documents", document, token)
        self.assertEqual((status, kept["owner"], kept["text"]), (201, 1, TEXT))
        self.assertIn("content:document:1", self.content.stores.cache.kept)
        status, done = self._post(self.workflow, "/runs", {"document": kept["id"]}, token)
        self.assertEqual((status, done["message"]), (201, 1))
        self.assertIn("harbour plan", done["result"]["summary"])
        self.assertEqual(self._get(self.workflow, "/runs/1", token), (200, done))
        self.assertEqual(self._get(self.communication, "/messages/unread", token)[1], {"unread": 1})
        inbox = self._get(self.communication, "/messages", token)[1]["messages"]
        self.assertEqual(inbox[0]["sender"], "workflow-intelligence-service")
        self.assertEqual(self._get(self.communication, "/messages/unread", token)[1], {"unread": 0})

    def test_nobody_sees_what_is_not_theirs(self):
        """The document and the run of another account are not there."""
        token, other = self._log_in(), self._log_in(email="bob@example.com")
        self._post(self.content, "/documents", {"title": "t", "text": TEXT}, token)
        self._post(self.workflow, "/runs", {"document": 1}, token)
        for running, path in [(self.content, "/documents/1"), (self.workflow, "/runs/1")]:
            self.assertEqual(self._get(running, path, other)[0], 404)
        self.assertEqual(self._post(self.workflow, "/runs", {"document": 1}, other)[0], 404)
        self.assertEqual(self._get(self.content, "/documents", other)[1], {"documents": []})

    def test_bad_tokens_are_refused(self):
        """None, nonsense, another secret, expired, revoked."""
        token = self._log_in()
        foreign = Tokens("another secret, also long enough for HS256", 3600).issue("1", "user")
        expired = Tokens("secret of this test, long enough for HS256", -1).issue("1", "user")
        self.assertEqual(self.content.ask("GET", "/documents")[0], 401)
        for bad in ("nonsense", "a.b.c", foreign, expired):
            with self.subTest(bad):
                self.assertEqual(self._get(self.content, "/documents", bad)[0], 401)
        self.assertEqual(self._post(self.identity, "/logout", {}, token)[0], 200)
        self.assertEqual(self._get(self.content, "/documents", token)[0], 401)

    def test_a_service_must_say_for_whom(self):
        """A service's token opens nobody's documents by itself."""
        credentials = {"service": "content-service", "key": "key of content-service"}
        status, answer = self._post(self.identity, "/service-token", credentials)
        self.assertEqual(status, 200)
        self.assertEqual(self._get(self.content, "/documents", answer["access_token"])[0], 403)
        for wrong in ({"service": "content-service", "key": "x"}, {"service": "x", "key": "x"}):
            self.assertEqual(self._post(self.identity, "/service-token", wrong)[0], 401)

    def test_wrong_passwords_are_counted_and_stopped(self):
        """401 ten times, then 429; the metric has the ten."""
        self._log_in()
        wrong = {"email": PERSON["email"], "password": "wrong horse"}
        statuses = [self._post(self.identity, "/login", wrong)[0] for _ in range(11)]
        self.assertEqual(statuses, [401] * 10 + [429])
        page = self.identity.ask("GET", "/metrics")[1]
        self.assertIn('identity_failed_logins_total{service="identity-service"} 10', page)

    def test_bad_requests_are_refused(self):
        """With a status that says whose fault it was."""
        token = self._log_in()
        table = [
            (self.identity, "/register", PERSON, 409),
            (self.identity, "/register", {**PERSON, "email": "x"}, 400),
            (self.identity, "/register", {**PERSON, "password": "short"}, 400),
            (self.content, "/documents", {"title": "t"}, 400),
            (self.workflow, "/runs", {"document": "x"}, 400),
            (self.workflow, "/runs", {"document": True}, 400),
            (self.workflow, "/runs", {"document": 99}, 404),
            (self.communication, "/messages", {"recipient": -1, "text": "t"}, 400),
        ]
        for running, path, body, status in table:
            with self.subTest(path=path, body=body):
                self.assertEqual(self._post(running, path, body, token)[0], status)

    def test_a_peer_that_is_away_is_named(self):
        """502, and the service that is missing; without identity nobody can be asked: 503."""
        token = self._log_in()
        self._post(self.content, "/documents", {"title": "t", "text": TEXT}, token)
        del self.directory.listed["communication-service"]
        status, answer = self._post(self.workflow, "/runs", {"document": 1}, token)
        self.assertEqual(status, 502)
        self.assertIn("communication-service", answer["error"])
        del self.directory.listed["identity-service"]
        self.assertEqual(self._get(self.communication, "/messages", token)[0], 503)

    def test_health_names_the_part_and_not_the_secret(self):
        """503 while the database is away, then 200 again."""
        self.assertEqual(self.content.ask("GET", "/health")[0], 200)
        self.content.stores.database.broken = True
        status, text = self.content.ask("GET", "/health")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(text)["parts"]["database"], "ConnectionError")
        self.assertNotIn("hunter2", text)
        self.content.stores.database.broken = False
        self.assertEqual(self.content.ask("GET", "/health")[0], 200)

    def test_docs_list_the_routes(self):
        """With what each says of itself."""
        status, text = self.identity.ask("GET", "/docs")
        self.assertEqual(status, 200)
        self.assertIn("<code>/login</code></td><td>Gives a token for `email`", text)
