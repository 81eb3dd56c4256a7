import pytest

from perfkit.exercises import MIME_EXERCISE, Exercise, Status


def is_seven(answer, *, limit=10):
    if answer == 0:
        return Status.NOT_ATTEMPTED
    if answer > limit:
        return f"it is above <{limit}>, see `limit`"
    return None if answer == 7 else "it is another number"


def question(**options):
    return Exercise("Which number?", is_seven, **options)


@pytest.mark.parametrize("answer", [..., 0], ids=["the placeholder", "what the judge takes for none"])
def test_an_untouched_question_is_not_attempted(answer):
    outcome = question().check(answer)

    assert outcome.status is Status.NOT_ATTEMPTED
    assert str(outcome).startswith("Not attempted.")


def test_checking_nothing_is_no_attempt():
    assert question().check().status is Status.NOT_ATTEMPTED


def test_a_wrong_answer_is_told_why():
    outcome = question().check(3)

    assert outcome.status is Status.NOT_YET
    assert str(outcome) == "Not yet, because it is another number"


def test_the_judge_learns_what_was_measured():
    assert question().check(7, limit=5).status is Status.NOT_YET
    assert question().check(7, limit=7).status is Status.CORRECT


def test_an_answer_that_raises_is_a_wrong_answer():
    outcome = question().check("seven")

    assert outcome.status is Status.NOT_YET
    assert "TypeError" in str(outcome)


def test_the_last_right_answer_is_kept():
    exercise = question()

    exercise.check(3)
    assert exercise.accepted is None
    exercise.check(7)
    exercise.check(3)
    assert exercise.accepted == 7


def test_hints_come_one_after_the_other_and_the_last_says_so():
    exercise = question(hints=("Small.", "Between 6 and 8.", "`7`"))

    assert [str(exercise.hint()) for _ in range(4)] == [
        "Hint 1 of 3: Small.",
        "Hint 2 of 3: Between 6 and 8.",
        "Hint 3 of 3, the last one: 7",
        "Hint 3 of 3, the last one: 7",
    ]


def test_a_question_without_hints_points_to_the_solution():
    assert "solution" in str(question().hint())


def test_the_status_is_published_for_programs():
    bundle = question(correct="Seven it is.").check(7)._repr_mimebundle_()

    assert bundle[MIME_EXERCISE] == {"question": "Which number?", "status": "correct"}
    assert bundle["text/plain"] == "Correct. Seven it is."


def test_everything_shown_is_escaped_and_backticks_become_code():
    markup = question().check(11)._repr_mimebundle_()["text/html"]

    assert "&lt;10&gt;" in markup
    assert "<10>" not in markup
    assert ">limit</code>" in markup
