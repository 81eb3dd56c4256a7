"""Memory after each further run of a cell, and what that says."""

from perfkit.model.memory_growth import WARM_UP, Fit, GrowthVerdict, Repeats, judge
from perfkit.model.wording import counted
from perfkit.views._format import megabytes
from perfkit.views._html import Content, Html, join, paragraph, pill, section, table
from perfkit.views._text_table import aligned
from perfkit.views.memory_words import signed

TITLE = "Run again"
_HEADERS = ("run", "held by Python", "change", "resident", "change")
_ENDS = 6
# Resident memory comes in pages and arenas: small steps add up to any total without being growth.
_RSS_SLOPE_BYTES = 1_000_000
_NEVER = 2**63
_PILLS = {GrowthVerdict.PLATEAU: "good", GrowthVerdict.GROWTH: "bad", GrowthVerdict.UNKNOWN: "neutral"}


def fits(repeats: Repeats) -> tuple[Fit, Fit]:
    """The judgement of what Python holds, and of resident memory."""
    return (
        judge([item.traced_bytes for item in repeats.iterations]),
        judge(
            [item.rss_bytes for item in repeats.iterations],
            min_slope_bytes=_RSS_SLOPE_BYTES,
            min_total_bytes=_NEVER,
        ),
    )


def verdict_text(repeats: Repeats) -> str:
    """What the runs say, in a sentence or two."""
    held, resident = fits(repeats)
    runs = counted(len(repeats.iterations), "further run")
    sentences = [f"{runs}, counted after the first {WARM_UP}, which are warm-up: {_words(held)}"]
    if held.verdict is not GrowthVerdict.GROWTH and resident.verdict is GrowthVerdict.GROWTH:
        sentences.append(
            f"Resident memory grows by {megabytes(resident.slope_bytes)} a run all the same: memory of C "
            "code, or fragmentation."
        )
    if repeats.stopped_by:
        sentences.append(f"{repeats.asked_for} runs were asked for; {repeats.stopped_by} ended them.")
    return " ".join(sentences)


def as_text(repeats: Repeats) -> str:
    """The runs for a terminal."""
    held, _ = fits(repeats)
    body = aligned([_HEADERS, *_rows(repeats)], numeric=range(1, len(_HEADERS)))
    return "\n".join([f"{TITLE}: {held.verdict.value}. {verdict_text(repeats)}", *body])


def as_html(repeats: Repeats) -> Html:
    """The runs for a notebook."""
    held, _ = fits(repeats)
    body: list[list[Content]] = [[*cells] for cells in _rows(repeats)]
    sentence = join([pill(held.verdict.value, _PILLS[held.verdict]), " ", verdict_text(repeats)])
    return join([section(TITLE), paragraph(sentence), table(_HEADERS, body, numeric=range(len(_HEADERS)))])


def _words(fit: Fit) -> str:
    if fit.verdict is GrowthVerdict.GROWTH:
        return (
            f"what Python holds grows by {megabytes(fit.slope_bytes)} a run (R² {fit.r_squared:.2f}, "
            f"{signed(fit.total_bytes)} in all after the warm-up)."
        )
    if fit.verdict is GrowthVerdict.PLATEAU:
        return "what Python holds does not grow from run to run."
    return f"whether memory grows cannot be told: {fit.reason}."


def _rows(repeats: Repeats) -> list[list[str]]:
    found, held, resident = [], 0, 0
    for number, item in enumerate(repeats.iterations, start=1):
        label = f"{number} (warm-up)" if number <= WARM_UP else f"{number}"
        changes = signed(item.traced_bytes - held), signed(item.rss_bytes - resident)
        found.append([label, megabytes(item.traced_bytes), changes[0], megabytes(item.rss_bytes), changes[1]])
        held, resident = item.traced_bytes, item.rss_bytes
    if len(found) <= 2 * _ENDS:
        return found
    return [*found[:_ENDS], ["…"] * len(_HEADERS), *found[-_ENDS:]]
