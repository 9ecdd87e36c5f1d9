"""What each agent finds out about an article."""

import unittest

import tests  # noqa: F401
from agents.analyst.main import score
from agents.chief_editor.main import publish
from agents.common.agent import id_of, on_article
from agents.common.text import sentences, words
from bedplate_app.web import WebError
from agents.critic.main import review
from agents.fact_checker.main import check
from agents.memory.main import recall, remember
from agents.reasoning.main import judge
from agents.scout.main import store
from agents.synthesizer.main import summarize

from .fakes import TEXT, article, stores


class TextTest(unittest.TestCase):
    """Sentences and words."""

    def test_sentences(self):
        table = {"": [], "One": ["One"], "A b. C d!\n E?": ["A b.", "C d!", "E?"], "v1.2 is": ["v1.2 is"]}
        for text, expected in table.items():
            with self.subTest(text):
                self.assertEqual(sentences(text), expected)

    def test_words(self):
        self.assertEqual(words("It's 40 Über-cool words"), ["it's", "über-cool", "words"])


class FindingsTest(unittest.TestCase):
    """The pure parts."""

    def test_analyst(self):
        found = score(article())
        self.assertEqual((found["sentences"], found["topics"][0]), (4, "harbour"))
        self.assertTrue(0 < found["score"] <= 1)
        self.assertEqual(score(article("")), {"words": 0, "sentences": 0, "topics": [], "score": 0.0})

    def test_fact_checker(self):
        self.assertEqual(check(article()), {"claims": 2, "sourced": 2})

    def test_critic(self):
        self.assertEqual(review(article())["style"], "plain")
        self.assertEqual(review(article("word " * 40))["style"], "dense")

    def test_reasoning(self):
        table = [
            ({"words": 50, "score": 0.6}, "publish"),
            ({"words": 3, "score": 1.0}, "hold"),
            ({"words": 50, "score": 0.1}, "hold"),
            ({}, "hold"),
        ]
        for analysis, verdict in table:
            with self.subTest(analysis):
                self.assertEqual(judge(article(analyst=analysis))["verdict"], verdict)

    def test_chief_editor(self):
        self.assertTrue(publish(article(reasoning={"verdict": "publish"}))["published"])
        self.assertFalse(publish(article())["published"])

    def test_synthesizer(self):
        summary = summarize(article())["summary"]
        self.assertIn("harbour plan", summary)
        self.assertNotIn("It rained", summary)
        self.assertLess(len(summary), len(TEXT))
        self.assertEqual(summarize(article(""))["summary"], "")


class ToolsTest(unittest.TestCase):
    """The parts that read and write stores."""

    def test_a_finding_is_stored(self):
        kept = stores()
        id = store(kept, {"url": "u", "title": "t", "text": TEXT})["id"]
        on_article("analyst", score)(kept, {"id": id})
        self.assertIn("analyst", kept.articles.read(id).findings)

    def test_the_same_url_is_the_same_article(self):
        kept = stores()
        ids = [store(kept, {"url": "u", "title": t, "text": TEXT})["id"] for t in ("a", "b")]
        self.assertEqual(ids, [1, 1])
        self.assertEqual(kept.articles.read(1).title, "b")

    def test_bad_arguments_are_refused(self):
        for arguments in ({}, {"url": "u", "title": " ", "text": "x"}, {"url": 1}):
            with self.subTest(arguments), self.assertRaises(WebError):
                store(stores(), arguments)
        for id in (None, "1", 0, -1, True, 1 << 63):
            with self.subTest(id), self.assertRaises(WebError):
                id_of({"id": id})

    def test_memory(self):
        kept = stores()
        for url in ("a", "b"):
            remember(kept, {"id": store(kept, {"url": url, "title": url, "text": TEXT})["id"]})
        remember(kept, {"id": 99})
        self.assertEqual([a["id"] for a in recall(kept, {})["articles"]], [2, 1])
