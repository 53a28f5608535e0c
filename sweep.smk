"""One sweep as jobs: run it with `make sweep SWEEP=name`, which writes the plan it reads.

A job is a batch of runs of one chapter. Its name says what it holds, so that another library,
chapter or parameter makes another job, and results of before are not mistaken for it.
"""

import json
import sys

FOLDER = f"_build/sweeps/{config['sweep']}"
with open(f"{FOLDER}/plan.json", encoding="utf-8") as file:
    PLAN = json.load(file)


localrules:
    sweep,


rule sweep:
    input:
        expand(FOLDER + "/jobs/{job}.jsonl", job=PLAN["jobs"]),


rule job:
    output:
        FOLDER + "/jobs/{job}.jsonl",
    log:
        FOLDER + "/faults/{job}.txt",
    threads: 1
    resources:
        runtime=lambda wildcards: 5 + len(PLAN["jobs"][wildcards.job]) * PLAN["timeout"] // 60,
        mem_mb=PLAN["mem_mb"],
    shell:
        "{sys.executable} -m book.pipeline.sweep_job {FOLDER}/plan.json {wildcards.job} {output}"
        " 2> >(tee {log} >&2)"
