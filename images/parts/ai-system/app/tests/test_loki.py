"""Lines on their way to Loki."""

import logging
import unittest

from ai_system.loki import LokiHandler


class FakeLoki:
    """Takes batches, or is away."""

    def __init__(self):
        self.batches, self.away = [], False

    def send(self, batch):
        """One push."""
        if not self.away:
            self.batches.append(batch)
        return not self.away


class LokiTest(unittest.TestCase):
    """A logger with the handler."""

    def setUp(self):
        self.loki = FakeLoki()
        self.handler = LokiHandler(self.loki.send, {"agent": "summarizer"})
        self.log = logging.getLogger("test-loki")
        self.log.propagate = False
        self.log.addHandler(self.handler)
        self.log.setLevel("INFO")
        self.addCleanup(self.log.removeHandler, self.handler)

    def test_lines_go_in_one_batch_with_their_labels(self):
        self.log.info("one")
        self.log.info("two")
        self.assertTrue(self.handler.push())
        [batch] = self.loki.batches
        [stream] = batch["streams"]
        self.assertEqual(stream["stream"], {"agent": "summarizer"})
        self.assertEqual([line for _, line in stream["values"]], ["one", "two"])
        self.assertTrue(self.handler.push())
        self.assertEqual(len(self.loki.batches), 1)

    def test_lines_wait_for_loki(self):
        self.loki.away = True
        self.log.info("one")
        self.assertFalse(self.handler.push())
        self.log.info("two")
        self.loki.away = False
        self.assertTrue(self.handler.push())
        [stream] = self.loki.batches[0]["streams"]
        self.assertEqual([line for _, line in stream["values"]], ["one", "two"])
