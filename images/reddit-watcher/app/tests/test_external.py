"""What is outside: circuit breaker, rates, channels, answers of Reddit and Gemini."""

import unittest
from unittest.mock import patch

import tests  # noqa: F401
from bedplate_app.metrics import Metrics
from reddit_watcher.agents.filter import read_relevance
from reddit_watcher.external import channels, reddit
from reddit_watcher.external.api import ExternalApi, ExternalError
from reddit_watcher.external.breaker import CLOSED, HALF_OPEN, OPEN, CircuitBreaker, CircuitOpen
from reddit_watcher.external.gemini import Gemini
from reddit_watcher.queue import Queue

from .fakes import FakeRedis, post


def fail():
    """An API that is down."""
    raise OSError("key=hunter2")


class BreakerTest(unittest.TestCase):
    """`CircuitBreaker`, with a clock that is set by hand."""

    def setUp(self):
        self.now = 0.0
        self.breaker = CircuitBreaker(2, 60, lambda: self.now)

    def _fail(self):
        with self.assertRaises(OSError):
            self.breaker.call(fail)

    def test_it_opens_after_failures_in_a_row(self):
        self._fail()
        self.assertEqual(self.breaker.call(lambda: 1), 1)
        self._fail()
        self.assertEqual(self.breaker.state, CLOSED)
        self._fail()
        self.assertEqual(self.breaker.state, OPEN)
        with self.assertRaises(CircuitOpen):
            self.breaker.call(lambda: 1)

    def test_one_call_may_try_again(self):
        self._fail()
        self._fail()
        self.now = 60
        self.assertEqual(self.breaker.state, HALF_OPEN)
        self._fail()
        self.assertEqual(self.breaker.state, OPEN)
        self.now = 120

        def reenter():
            with self.assertRaises(CircuitOpen):
                self.breaker.call(lambda: 2)
            return 1

        self.assertEqual(self.breaker.call(reenter), 1)
        self.assertEqual(self.breaker.state, CLOSED)


class ApiTest(unittest.TestCase):
    """`ExternalApi`."""

    def test_calls_are_counted_and_limited(self):
        metrics = Metrics({}, service="filter")
        environment = {"GEMINI_RATE_LIMIT_PER_MINUTE": "4", "CIRCUIT_BREAKER_FAILURES": "2"}
        queue = Queue(FakeRedis(), lambda: 0.0)
        api = ExternalApi("gemini", environment, metrics, queue, True)
        self.assertEqual(api.call(lambda: 1), 1)
        for said in ("OSError", "OSError", "left alone", "more than 4"):
            with self.assertRaisesRegex(ExternalError, said) as caught:
                api.call(fail)
            self.assertNotIn("hunter2", str(caught.exception))
        text = metrics.render()
        for result in ("ok", "circuit_open", "rate_limited"):
            self.assertIn(f'external_api_requests_total{{api="gemini",result="{result}",service="filter"}} 1', text)
        self.assertIn('circuit_breaker_state{api="gemini",service="filter"} 2', text)


class RedditTest(unittest.TestCase):
    """Where posts come from."""

    LISTING = {"data": {"children": [
        {"data": {"name": "t3_a", "title": "T", "selftext": "B", "subreddit": "rust", "score": 3}},
        {"data": {"name": "", "title": "no name"}},
    ]}}

    def test_sources(self):
        table = [
            ({}, "none"),
            ({"REDDIT_CLIENT_ID": "i"}, "none"),
            ({"REDDIT_SOURCE_URL": "http://h/"}, "url"),
            ({"REDDIT_SOURCE_URL": "http://h/", "REDDIT_CLIENT_ID": "i", "REDDIT_CLIENT_SECRET": "s\n"}, "reddit"),
        ]
        for environment, expected in table:
            self.assertEqual(reddit.Reddit(environment).source, expected)

    def test_a_listing_is_read(self):
        (found,) = reddit.listing(self.LISTING)
        self.assertEqual((found.reddit_id, found.body, found.url, found.score), ("t3_a", "B", "", 3))

    def test_each_subreddit_is_asked_with_one_token(self):
        environment = {"REDDIT_CLIENT_ID": "i", "REDDIT_CLIENT_SECRET": "s", "REDDIT_SUBREDDITS": "rust, python"}
        token = {"access_token": "t", "expires_in": 3600}
        with patch.object(reddit, "ask", side_effect=[token, self.LISTING, self.LISTING]) as ask:
            self.assertEqual(len(reddit.Reddit(environment).fetch()), 2)
        self.assertIn("/r/python/new?limit=25", ask.call_args.args[0])
        self.assertEqual(ask.call_args.args[1]["Authorization"], "Bearer t")


class GeminiTest(unittest.TestCase):
    """What the model says."""

    def test_an_answer_is_read(self):
        answer = {"candidates": [{"content": {"parts": [{"text": " In short.\n"}]}}]}
        with patch("reddit_watcher.external.gemini.ask", return_value=answer) as ask:
            self.assertEqual(Gemini({"GEMINI_API_KEY": "k"}).generate("p"), "In short.")
        self.assertEqual(ask.call_args.args[1]["x-goog-api-key"], "k")

    def test_a_relevance_is_read(self):
        self.assertEqual(read_relevance("About 0.75, I think"), 0.75)
        for answer in ("none", "7"):
            with self.assertRaises(ValueError):
                read_relevance(answer)


class ChannelsTest(unittest.TestCase):
    """Ways to announce a post."""

    MAIL = {
        "SMTP_PASSWORD": "p", "SMTP_HOST": "h", "SMTP_USER": "u", "SMTP_FROM": "f@example.com",
        "ALERT_EMAIL_TO": "a@example.com, b@example.com",
    }

    def test_channels_are_those_that_have_what_it_takes(self):
        table = [
            ({}, ["log"]),
            ({**self.MAIL, "SMTP_PASSWORD": ""}, ["log"]),
            ({"SLACK_WEBHOOK_URL": "https://h/"}, ["slack"]),
            ({**self.MAIL, "ALERT_WEBHOOK_URL": "https://h/"}, ["email", "webhook"]),
        ]
        for environment, expected in table:
            self.assertEqual([channel.name for channel in channels.channels(environment)], expected)

    def test_texts(self):
        found = post(title="A\nB", summary="1 < 2", topics=["Rust"], relevance=0.6)
        letter = channels.letter(found, "f@example.com", ["a@example.com"])
        self.assertEqual(letter["Subject"], "r/rust: A B")
        self.assertIn("Relevance: 0.6", letter.get_content())
        self.assertIn("1 &lt; 2", channels.slack_body(found)["text"])
        self.assertEqual(channels.webhook_body(found)["topics"], ["Rust"])
