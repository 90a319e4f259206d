"""The token of the servers of these tests."""

TOKEN = "a-token-of-the-tests"
AUTHORISED = {"authorization": f"Bearer {TOKEN}"}
