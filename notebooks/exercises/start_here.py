"""The question of `00_start_here.ipynb`."""

from perfkit.exercises import Exercise


def _statements(guess: object, *, counted: int, posts: int) -> str | None:
    if not isinstance(guess, int):
        return "a number of statements is a whole number, such as `7`"
    if guess == counted:
        return None
    if guess == posts:
        return "one statement for each post is only the loop: something had to load the posts before it"
    return "that is not what was counted. Look at the two kinds of statement in the report above"


statements = Exercise(
    "How many statements does a page of 25 posts send?",
    _statements,
    hints=(
        "The report above has two kinds of statement. Which of them grows with the page?",
        "For 10 posts it was 1 + 10.",
        "So for 25 posts it is `1 + 25`.",
    ),
    correct="One for the posts and one for the author of each: that is where the name N+1 comes from.",
)
