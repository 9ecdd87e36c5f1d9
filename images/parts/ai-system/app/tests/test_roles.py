"""What agents do with tasks, errors, memories and each other."""

import json
import unittest

from bedplate_app.web import Request, WebError

from ai_system import errors, wire
from ai_system.guard import Guard
from ai_system.roles import bridge, memory, orchestrator, performance, registry, vision
from ai_system.roles.gateway import Gateway
from ai_system.roles.memory_orchestrator import Memories
from ai_system.skills import skill

from .fakes import TOKEN, agent

TEXT = "The city council voted on the harbour plan. The Mayor says the harbour plan costs 40 million. It rained."


class PerformanceTest(unittest.TestCase):
    """Figures of the machine."""

    def test_without_a_state_partition_the_disk_is_that_of_the_root(self):
        self.assertAlmostEqual(performance.disk("/nowhere"), performance.disk("/"), delta=5)


class GuardTest(unittest.TestCase):
    """Who may change something."""

    def setUp(self):
        from bedplate_app.web import Route

        self.route = Guard(True, TOKEN).protect(Route("POST", "/shutdown", lambda _: "done"))

    def test_this_machine_and_the_token_may(self):
        good = {"Authorization": f"Bearer {TOKEN}"}
        self.assertEqual(self.route.answer(Request(peer="127.0.0.1")), "done")
        self.assertEqual(self.route.answer(Request(peer="10.77.0.254", headers=good)), "done")

    def test_others_may_not(self):
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": ""}):
            with self.assertRaises(WebError) as caught:
                self.route.answer(Request(peer="10.77.0.254", headers=headers))
            self.assertEqual(caught.exception.status, 401)

    def test_without_a_token_nobody_has_it(self):
        from bedplate_app.web import Route

        route = Guard(True, "").protect(Route("POST", "/", lambda _: "done"))
        with self.assertRaises(WebError):
            route.answer(Request(peer="10.0.0.1", headers={"Authorization": "Bearer "}))


class RegistryTest(unittest.TestCase):
    """Who is there."""

    def test_an_agent_is_healthy_until_it_is_silent(self):
        now = [0.0]
        found = registry.Registry(["a", "b"], 30, lambda: now[0])
        self.assertEqual(found.states(), {"a": "unknown", "b": "unknown"})
        found.hear("a", True)
        found.hear("b", False)
        self.assertEqual((found.states(), found.healthy()), ({"a": "healthy", "b": "unhealthy"}, 1))
        now[0] = 91
        self.assertEqual(found.state("a"), "silent")


class OrchestratorTest(unittest.TestCase):
    """Tasks."""

    def setUp(self):
        self.agent = agent("agent_orchestrator")
        self.orchestrator = orchestrator.Orchestrator(self.agent)
        for entry in self.agent.agents.on("main_pc"):
            if entry.role == "skill":
                self.agent.peers[entry.name, "/tasks"] = lambda task: skill(task["kind"])(task["payload"])
        self.agent.peers["cross_machine_gateway", "/forward"] = lambda task: {"forwarded": task["kind"]}

    def do(self, kind, payload):
        """One task through the front door."""
        return self.orchestrator.do(Request(body={"kind": kind, "payload": payload}))

    def test_a_task_goes_to_the_machine_that_does_it(self):
        self.assertIn("harbour", self.do("keywords", {"text": TEXT})["result"]["keywords"])
        self.assertEqual(self.do("see", {})["result"], {"forwarded": "see"})

    def test_a_document_is_read_here_and_remembered_there(self):
        record = self.do("document", {"text": TEXT})
        self.assertEqual(record["result"]["language"], {"language": "en"})
        self.assertIn("harbour", record["result"]["summary"]["summary"])
        self.assertEqual(record["result"]["memory"], {"forwarded": "remember"})
        found = self.orchestrator.find(Request(parameters={"id": str(record["id"])}))
        self.assertEqual(found, record)

    def test_what_nobody_does_is_refused_and_reported(self):
        with self.assertRaises(WebError) as caught:
            self.do("fly", {})
        self.assertEqual(caught.exception.status, 404)
        self.assertEqual(self.agent.reported[0][:2], ("task_failed", "error"))
        self.assertEqual(self.agent.store.kept, {})

    def test_a_lost_gateway_is_its_trouble_and_not_the_request_s(self):
        del self.agent.peers["cross_machine_gateway", "/forward"]
        with self.assertRaises(WebError) as caught:
            self.do("see", {})
        self.assertEqual(caught.exception.status, 502)


class BridgeTest(unittest.TestCase):
    """Requests that come to pc2."""

    def setUp(self):
        self.agent = agent("cross_machine_bridge", "pc2")
        self.agent.peers["vision_pipeline", "/tasks"] = lambda task: {"seen": task["payload"]}

    def test_a_health_check_is_answered_with_healthy(self):
        self.assertEqual(bridge.answer(self.agent, "health_check"), "healthy")

    def test_a_task_is_handed_over(self):
        text = bridge.answer(self.agent, '{"kind": "see", "payload": {"pixels": [[1]]}}')
        self.assertEqual(json.loads(text), {"result": {"seen": {"pixels": [[1]]}}})

    def test_nonsense_is_refused(self):
        for text in ("", "[]", "{}", "hello", '{"kind": []}', '{"kind": "see"}'):
            self.assertEqual(json.loads(bridge.answer(self.agent, text))["status"], 400, text)
        self.assertEqual(json.loads(bridge.answer(self.agent, '{"kind": "fly", "payload": {}}'))["status"], 404)
        self.assertEqual(json.loads(bridge.answer(self.agent, '{"kind": "digest", "payload": {}}'))["status"], 502)


class FakeRequester:
    """A line to pc2 that can be cut."""

    def __init__(self):
        self.answers = {}

    def ask(self, text, seconds):
        """The answer, or a silence."""
        if text not in self.answers:
            raise wire.WireError("no answer")
        return self.answers[text]


class GatewayTest(unittest.TestCase):
    """The main PC's end."""

    def setUp(self):
        self.agent = agent("cross_machine_gateway")
        self.line = FakeRequester()
        self.gateway = Gateway(self.line, self.agent.errors, self.agent.program.metrics, 5)

    def test_a_lost_peer_is_said_once_and_so_is_its_return(self):
        self.gateway.look()
        self.gateway.look()
        with self.assertRaisesRegex(ConnectionError, "unreachable"):
            self.gateway.check()
        self.line.answers["health_check"] = "healthy"
        self.gateway.look()
        self.gateway.check()
        said = [(severity, message) for _, severity, message in self.agent.reported]
        self.assertEqual(said, [("error", "pc2 is unreachable"), ("info", "pc2 is healthy")])

    def test_a_task_is_passed_on(self):
        task = {"kind": "see", "payload": {}}
        self.line.answers[json.dumps(task)] = '{"result": {"objects": 1}}'
        self.assertEqual(self.gateway.forward(task), {"objects": 1})
        self.line.answers[json.dumps(task)] = '{"error": "expected pixels", "status": 400}'
        with self.assertRaises(WebError) as caught:
            self.gateway.forward(task)
        self.assertEqual(caught.exception.status, 400)
        with self.assertRaises(WebError) as caught:
            self.gateway.forward({"kind": "other"})
        self.assertEqual(caught.exception.status, 503)


class MemoryTest(unittest.TestCase):
    """What pc2 remembers."""

    def setUp(self):
        self.memory = memory.Memory(agent("episodic_memory", "pc2").store, "episodic_memory")
        self.agent = agent("memory_orchestrator_service", "pc2")
        keep = lambda body: self.memory.keep(Request(body=body))
        self.agent.peers["episodic_memory", "/memories"] = keep
        digest = lambda task: skill("digest")(task["payload"])
        self.agent.peers["memory_processing_service", "/tasks"] = digest
        self.memories = Memories(self.agent)

    def test_a_text_is_found_by_number_and_by_keyword(self):
        body = {"kind": "remember", "payload": {"text": TEXT}}
        kept = self.memories.do(Request(body=body))
        self.assertEqual((kept["id"], kept["agent"]), (1, "episodic_memory"))
        self.assertEqual(self.memory.find(Request(parameters={"id": "1"}))["text"], TEXT)
        self.assertEqual(self.memory.search(Request(query={"keyword": "harbour"}))["ids"], [1])

    def test_what_cannot_be_remembered_is_refused(self):
        for body, status in (
            ({"kind": "remember", "payload": {"text": " "}}, 400),
            ({"kind": "recall", "payload": {}}, 400),
            ({"kind": "forget", "payload": {}}, 404),
        ):
            with self.assertRaises(WebError) as caught:
                self.memories.do(Request(body=body))
            self.assertEqual(caught.exception.status, status, body)


class VisionTest(unittest.TestCase):
    """A picture."""

    def test_it_goes_through_the_pipeline(self):
        asked = []

        def ask(kind, payload):
            asked.append(kind)
            return skill(kind)(payload)

        found = vision.look(ask, {"pixels": [[0, 0, 100], [0, 0, 0], [50, 0, 0]]})
        self.assertEqual(found["objects"], 1)
        self.assertEqual(found["description"], "1 object in a dark scene")
        self.assertEqual(asked, ["frame", "contrast", "edges", "objects", "brightness", "scene"])


class ErrorsTest(unittest.TestCase):
    """Reports on the bus."""

    def test_a_report_survives_the_wire(self):
        report = errors.Report("task_failed", "error", "no", "summarizer", "main_pc", {"a": 1})
        self.assertEqual(errors.decode(json.loads(json.dumps(report.encode()))), report)

    def test_others_are_refused(self):
        good = errors.Report("a", "info", "b", "c", "pc2").encode()
        for change in ({"severity": "fatal"}, {"message": ""}, {"extra": 1}, {"source": 3}):
            with self.assertRaises(ValueError):
                errors.decode({**good, **change})


class HealthTest(unittest.TestCase):
    """What an agent says of itself."""

    def test_a_lost_store_is_named_and_its_password_not(self):
        one = agent("session_manager")
        one.watch("redis", one.store.ping)
        one.store.broken = True
        one.look()
        response = one.program.health(Request())
        self.assertEqual(response.status, 503)
        self.assertEqual(response.body["parts"], {"redis": "ConnectionError"})

    def test_an_agent_that_has_not_looked_yet_is_unwell(self):
        one = agent("session_manager")
        one.watch("redis", one.store.ping)
        self.assertEqual(one.program.health(Request()).status, 503)
        self.assertTrue(one.look())
        self.assertEqual(one.program.health(Request()).status, 200)

    def test_the_registry_is_told_and_is_a_part_itself(self):
        one, told = agent("summarizer"), []
        one.watch("redis", one.store.ping)
        one.watch("registry", one.heartbeat)
        self.assertFalse(one.look())
        one.peers["service_registry_agent", "/register"] = told.append
        self.assertTrue(one.look())
        one.store.broken = True
        self.assertFalse(one.look())
        self.assertEqual([body["healthy"] for body in told], [True, False])
