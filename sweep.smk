"""One sweep as jobs: run it with `make sweep SWEEP=name`, which writes the plan it reads.

A job is a batch of runs of one chapter. Its name says what it holds, so that another library,
chapter or parameter makes another job, and results of before are not mistaken for it. The runs
work in the folder of the book, which a job may be started outside of.
"""

import json
import os
import sys

ROOT = config.get("root", os.getcwd())
FOLDER = f"_build/sweeps/{config['sweep']}"
with open(f"{ROOT}/{FOLDER}/plan.json", encoding="utf-8") as file:
    PLAN = json.load(file)


envvars:
    "PATH",


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
        mem_mb=lambda wildcards: PLAN["mem_mb"][wildcards.job],
    shell:
        'out=$(realpath -m {output}) log=$(realpath -m {log}); cd {ROOT:q}; '
        '{sys.executable:q} -m book.pipeline.sweep_job {FOLDER}/plan.json {wildcards.job} "$out"'
        ' 2> >(tee "$log" >&2)'
