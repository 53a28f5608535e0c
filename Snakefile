"""chapter + parameters + library → executed chapter → book.

The library's files and the parameters are inputs of every chapter, so a chapter is
executed again exactly when something it depends on has changed.
"""

import sys

sys.path.insert(0, workflow.basedir)

from book.pipeline import profiles

PROFILE = config.get("profile", "paper")
SETTINGS = profiles.profile(PROFILE)
CHAPTERS = profiles.chapters()
LIBRARY = sorted(str(p.relative_to(workflow.basedir)) for p in Path(workflow.basedir, "mc_lib").rglob("*.py"))
PAGES = sorted(
    str(p.relative_to(workflow.basedir))
    for p in Path(workflow.basedir, "book").rglob("*")
    if p.suffix in {".md", ".bib", ".css", ".js", ".png", ".svg"}
)
EXTENSIONS = sorted(
    str(p.relative_to(workflow.basedir)) for p in Path(workflow.basedir, "book", "_ext").glob("*.py")
)


rule book:
    input:
        chapters=expand("_build/chapters/{chapter}.ipynb", chapter=CHAPTERS),
        pages=PAGES,
        settings=["_config.yml", "_toc.yml", *EXTENSIONS, "mc_lib/figures/interactive.js"],
        pipeline=["book/pipeline/publish.py", "book/pipeline/profiles.py"],
    output:
        touch("_build/book.done"),
    shell:
        "{sys.executable} -m book.pipeline.publish"


rule chapters:
    input:
        expand("_build/chapters/{chapter}.ipynb", chapter=CHAPTERS),


rule chapter:
    input:
        notebook="book/{chapter}.ipynb",
        library=LIBRARY,
        pipeline=["book/pipeline/execute.py", "book/pipeline/profiles.py"],
        lock="requirements.lock",
    output:
        notebook="_build/chapters/{chapter}.ipynb",
        records=directory("_build/chapters/{chapter}.records"),
    params:
        values=lambda wildcards: SETTINGS.get(wildcards.chapter, {}),
    resources:
        mem_mb=lambda wildcards: profiles.memory(
            CHAPTERS[wildcards.chapter], SETTINGS.get(wildcards.chapter, {})
        ),
    wildcard_constraints:
        chapter="[^/]+",
    shell:
        "{sys.executable} -m book.pipeline.execute --profile {PROFILE} "
        "{wildcards.chapter} _build/chapters/{wildcards.chapter}"


# those that take longest start first, so that no core waits for one of them at the end
use rule chapter as long_chapter with:
    priority: 1
    wildcard_constraints:
        chapter="(02|04|04b|07)-[^/]+",


ruleorder: long_chapter > chapter
