"""Keys and tokens."""

import unittest

import tests  # noqa: F401
from juliaos.auth import AuthError, Keys, Tokens


class KeysTest(unittest.TestCase):
    """`X-API-Key`."""

    def test_keys_are_words(self):
        keys = Keys("one, two\nthree ")
        for key, valid in [("one", True), ("three", True), ("", False), ("on", False), ("ü", False)]:
            with self.subTest(key):
                self.assertEqual(keys.accept(key), valid)

    def test_no_keys_accept_nothing(self):
        self.assertFalse(Keys(" ").accept(""))


class TokensTest(unittest.TestCase):
    """JWT with a clock that stands."""

    def setUp(self):
        self.now = 1000.0
        self.tokens = Tokens("secret", 3600, lambda: self.now)

    def test_the_form_is_that_of_rfc_7519(self):
        header, claims, signature = self.tokens.issue("ada").split(".")
        self.assertEqual(header, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9")
        self.assertEqual(claims, "eyJzdWIiOiJhZGEiLCJpYXQiOjEwMDAsImV4cCI6NDYwMH0")
        self.assertEqual(len(signature), 43)

    def test_a_token_is_good_for_its_time(self):
        token = self.tokens.issue("ada")
        self.now += 3599
        self.assertEqual(self.tokens.user_of(token), "ada")
        self.now += 1
        with self.assertRaisesRegex(AuthError, "too old"):
            self.tokens.user_of(token)

    def test_other_tokens_are_refused(self):
        token = self.tokens.issue("ada")
        head, claims, signature = token.split(".")
        # `alg: none` in the header, with no signature and with the true one.
        none = "eyJhbGciOiJub25lIn0"
        table = ["", ".", "a.b.c", token[:-1], f"{head}.{claims}.", f"{none}.{claims}.",
                 f"{none}.{claims}.{signature}", f"{head}.{claims}x.{signature}", f"{token}é",
                 Tokens("other", 3600).issue("ada")]
        for bad in table:
            with self.subTest(bad), self.assertRaisesRegex(AuthError, "not valid"):
                self.tokens.user_of(bad)
