"""Skills: what comes out, and what is refused."""

import unittest

from ai_system.skills import SkillError, skill

TEXT = "The city council voted on the harbour plan. The Mayor says the harbour plan costs 40 million. It rained."

CASES = [
    ("language", {"text": "der Hund und die Katze"}, {"language": "de"}),
    ("summary", {"text": TEXT}, {"summary": "The Mayor says the harbour plan costs 40 million."}),
    ("entities", {"text": TEXT}, {"entities": ["Mayor"]}),
    ("sentiment", {"text": "A good day, a great win, one bad end"}, {"score": 0.5, "sentiment": "positive"}),
    ("statistics", {"numbers": [3, 1, 2, 10]}, {"least": 1, "greatest": 10, "mean": 4.0, "median": 2.5}),
    ("redact", {"text": "mail a.b@example.org or 012345"}, {"text": "mail [address] or [number]"}),
    ("priority", {"goals": ["rest", "leave now"]}, {"goals": ["leave now", "rest"]}),
    ("budget", {"costs": [1, 2], "budget": 2}, {"left": -1, "within": False}),
    ("outline", {"text": "# One\ntext\n## Two"}, {"headings": [{"depth": 1, "text": "One"}, {"depth": 2, "text": "Two"}]}),
    ("escape", {"text": "a < b"}, {"html": "<p>a &lt; b</p>"}),
    ("answer", {"text": TEXT, "question": "What costs 40 million?"}, {"answer": "The Mayor says the harbour plan costs 40 million."}),
    ("objects", {"pixels": [[255, 0, 255], [255, 0, 0], [0, 0, 255]]}, {"objects": 3}),
    ("contrast", {"pixels": [[10, 20]]}, {"pixels": [[0, 255]]}),
    ("edges", {"pixels": [[0, 255], [0, 255]]}, {"edges": 2}),
    ("motion", {"pixels": [[0, 255]], "before": [[0, 0]]}, {"changed": 1}),
]

REFUSED = [
    ("summary", {}),
    ("statistics", {"numbers": []}),
    ("statistics", {"numbers": [True]}),
    ("rating", {"ratings": [6]}),
    ("frame", {"pixels": [[1], [1, 2]]}),
    ("frame", {"pixels": [[256]]}),
    ("frame", {"pixels": [[]]}),
    ("frame", {"pixels": [[0] * 257]}),
    ("scene", {"objects": 1}),
    ("fly", {}),
]


class SkillTest(unittest.TestCase):
    """Each is pure."""

    def test_what_comes_out(self):
        for kind, payload, expected in CASES:
            with self.subTest(kind):
                self.assertEqual(skill(kind)(payload), expected)

    def test_what_is_refused(self):
        for kind, payload in REFUSED:
            with self.subTest(kind), self.assertRaises(SkillError):
                skill(kind)(payload)
