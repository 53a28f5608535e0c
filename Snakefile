"""chapter + parameters + library → executed chapter → book, by content and not by time.

A chapter is executed again exactly when its cells, its parameters, the library, a lab file that
it uses, the packages or the way of executing it have changed: their digest is a parameter of the
rule. The book is put together again when a chapter or something on its pages has changed.
"""

import sys

sys.path.insert(0, workflow.basedir)

from book.pipeline import profiles, sources

PROFILE = config.get("profile", "paper")
SETTINGS = profiles.profile(PROFILE)
CHAPTERS = profiles.chapters()
DIGESTS = {name: sources.digest(path) for name, path in CHAPTERS.items()}
BOOK = sources.of_files(sources.pages())
TEXT = [sources.text(path) for path in CHAPTERS.values()]


rule book:
    input:
        chapters=expand("_build/chapters/{chapter}.ipynb", chapter=CHAPTERS),
    output:
        touch("_build/book.done"),
    params:
        made=f"{BOOK} {PROFILE} {SETTINGS} {DIGESTS} {TEXT}",
    shell:
        "{sys.executable:q} -m book.pipeline.book --pages"


rule chapters:
    input:
        expand("_build/chapters/{chapter}.ipynb", chapter=CHAPTERS),


rule chapter:
    output:
        notebook="_build/chapters/{chapter}.ipynb",
        records=directory("_build/chapters/{chapter}.records"),
    params:
        values=lambda wildcards: SETTINGS.get(wildcards.chapter, {}),
        made=lambda wildcards: DIGESTS[wildcards.chapter],
    resources:
        mem_mb=lambda wildcards: profiles.memory(
            CHAPTERS[wildcards.chapter], SETTINGS.get(wildcards.chapter, {})
        ),
    wildcard_constraints:
        chapter="[^/]+",
    shell:
        "{sys.executable:q} -m book.pipeline.execute --profile {PROFILE} "
        "{wildcards.chapter} _build/chapters/{wildcards.chapter}"


# those that take longest start first, so that no core waits for one of them at the end
use rule chapter as long_chapter with:
    priority: 1
    wildcard_constraints:
        chapter="(02|04|04b|07)-[^/]+",


ruleorder: long_chapter > chapter
