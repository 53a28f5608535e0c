"""The table of a sweep counts what held, and its page says so with the failures first."""

import json
from html.parser import HTMLParser

import pytest

from book.pipeline import profiles, sweep, sweep_page, sweep_table


def claim(what="error", measured=0.5, relation="≤", reference=1.0, holds=True, cases=1):
    return {
        "statement": "Thm 1",
        "what": what,
        "relation": relation,
        "measured": measured,
        "reference": reference,
        "cases": cases,
        "holds": holds,
    }


def swept(runs, settings=("a",)):
    """The table of one chapter from {(setting, seed): claims or (claims, error)}."""
    cases, results = [], {}
    for number, ((setting, seed), found) in enumerate(runs.items()):
        claims, error = found if isinstance(found, tuple) else (found, None)
        cases.append(["01-tiny", setting, seed, str(number)])
        results[str(number)] = {"claims": claims, "error": error, "seconds": 1.5, "cpu": 1.0}
    seeds = sorted({seed for _, seed in runs})
    plan = {"name": "x", "seeds": seeds, "settings": dict.fromkeys(settings), "cases": cases}
    return sweep_table.table(plan, results)


def rows(table):
    return table["chapters"]["01-tiny"]["claims"]


def test_a_claim_is_counted_over_the_runs_and_its_failures_are_named():
    measured = {0: 0.5, 1: 2.0, 2: 0.25, 3: "nan"}
    runs = {
        ("a", s): [claim(measured=m, holds=m in (0.5, 0.25), cases=3)] for s, m in measured.items()
    }
    table = swept(runs)
    (row,) = rows(table)
    entry = row["settings"]["a"]
    assert (entry["held"], entry["runs"], entry["missing"]) == (2, 4, 0)
    assert (entry["failed"], entry["cases"]) == ([1, 3], 12)
    assert entry["worst"] == {"seed": 1, "measured": 2.0, "reference": 1.0}
    assert "median" not in entry  # NaN has no place in a spread
    assert (table["runs"], table["seconds"], table["cpu"]) == (4, 6.0, 4.0)
    assert sweep_table.failures(table) == [("01-tiny", row)]


def test_the_spread_is_the_median_and_the_5_and_95_percent_quantiles():
    runs = {("a", s): [claim(measured=float(s))] for s in range(101)}
    entry = rows(swept(runs))[0]["settings"]["a"]
    assert (entry["low"], entry["median"], entry["high"]) == (5.0, 50.0, 95.0)


@pytest.mark.parametrize(
    ("relation", "reference", "values", "worst"),
    [
        ("≤", 1.0, [0.1, 0.9, 0.5], 1),
        ("≥", 1.0, [3.0, 1.5, 9.0], 1),
        ("≤", 0.0, [-1.0, -3.0, 0.0], 2),
        ("≥", -1.0, [5.0, -0.5, 2.0], 1),
        ("=", True, [True, True, True], 0),
    ],
)
def test_the_worst_run_is_the_one_nearest_its_bound(relation, reference, values, worst):
    runs = {
        ("a", s): [claim(measured=v, relation=relation, reference=reference)]
        for s, v in enumerate(values)
    }
    assert rows(swept(runs))[0]["settings"]["a"]["worst"]["seed"] == worst


def test_a_run_that_stopped_counts_against_the_claims_it_did_not_reach():
    error = {"cell": 4, "name": "ValueError", "message": "no"}
    both = [claim("first"), claim("second")]
    table = swept({("a", 0): both, ("a", 1): (both[:1], error), ("a", 2): ([], error)})
    first, second = (row["settings"]["a"] for row in rows(table))
    assert (first["held"], first["missing"], first["failed"]) == (2, 1, [2])
    assert (second["held"], second["runs"], second["missing"]) == (1, 3, 2)
    (told,) = table["chapters"]["01-tiny"]["errors"]
    assert (told["setting"], told["runs"], told["seeds"]) == ("a", 2, [1, 2])
    assert len(sweep_table.failures(table)) == 2


def test_only_ten_seeds_are_named():
    runs = {("a", s): [claim(measured=2.0, holds=False)] for s in range(25)}
    table = swept(runs)
    assert rows(table)[0]["settings"]["a"]["failed"] == list(range(10))
    assert "not for 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 15 more" in sweep_page.page(whole(table))


# -- which claims are the same ----------------------------------------------------
def test_claims_of_the_same_text_in_one_run_are_told_apart_by_their_order():
    table = swept({("a", s): [claim(measured=0.1), claim(measured=0.2)] for s in (0, 1)})
    assert [row["settings"]["a"]["worst"]["measured"] for row in rows(table)] == [0.1, 0.2]
    assert all(row["settings"]["a"]["runs"] == 2 for row in rows(table))


def test_a_claim_whose_text_names_a_parameter_is_matched_across_settings():
    table = swept({("a", 0): [claim("4 of 12 networks")], ("b", 0): [claim("4 of 100 networks")]})
    (row,) = rows(table)
    assert row["what"] == "4 of … networks" and set(row["settings"]) == {"a", "b"}


def test_two_claims_of_one_run_are_never_taken_for_one():
    depths = [claim("l = 2: pieces"), claim("l = 3: pieces")]
    table = swept({("a", 0): depths, ("b", 0): depths[1:]})
    assert [(row["what"], list(row["settings"])) for row in rows(table)] == [
        ("l = 2: pieces", ["a"]),
        ("l = 3: pieces", ["a", "b"]),
    ]


# -- the page -------------------------------------------------------------------------
def whole(table):
    return table | {"commit": "0123456789ab", "processor": "P", "cores": 2, "torch": "2"}


class Page(HTMLParser):
    """Checks that elements are closed, and collects the scrollable regions."""

    def __init__(self, text):
        super().__init__()
        self.open, self.regions, self.tables = [], [], 0
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        attrs = dict(attrs)
        if tag == "table":
            self.tables += 1
        if attrs.get("role") == "region":
            assert attrs["tabindex"] == "0" and attrs["aria-label"]
            self.regions.append(attrs["aria-label"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_names_failures_first_and_escapes_what_it_shows():
    error = {"cell": 4, "name": "ValueError", "message": "a < b"}
    good, bad = claim("fine"), claim("x < y & z", measured=2.0, holds=False)
    table = whole(swept({("a", 0): [good, bad], ("a", 1): ([good], error)}))
    text = sweep_page.page(table)
    assert "**2 claims of 1 chapters in 2 runs: 1 held in every run, 1 did not.**" in text
    assert "x &lt; y &amp; z" in text and "ValueError: a &lt; b" in text and "x < y" not in text
    assert text.index("x &lt; y") < text.index("fine")
    assert "<strong>0 of 2, 1 not reached</strong>; not for 0, 1" in text
    assert "2 ≤ 1 (seed 0)" in text and "0123456789ab" in text
    body = text.split("\n", 1)[1]
    parsed = Page(body)
    assert len(parsed.regions) == parsed.tables == 2 == len(set(parsed.regions))


def test_a_page_without_failures_says_so():
    text = sweep_page.page(whole(swept({("a", s): [claim()] for s in range(4)})))
    assert "**1 claims of 1 chapters in 4 runs: all held.**" in text
    assert "did not hold in every run\n" not in text and "| seeds | 0 to 3 |" in text


def test_the_page_of_the_book_is_that_of_its_table():
    table = json.loads((profiles.ROOT / sweep.ADOPTED).read_text(encoding="utf-8"))
    text = (profiles.ROOT / sweep.PAGE).read_text(encoding="utf-8")
    assert text == sweep_page.page(table)
    assert len(text) < 500_000
    assert set(table["chapters"]) <= set(profiles.chapters())
