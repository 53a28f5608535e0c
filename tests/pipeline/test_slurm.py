"""The same sweep through Slurm, for real, and the profiles of the clusters."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from book.pipeline import profiles, sweep, sweep_store
from tests.pipeline.test_sweep import LINES, NAME, write_chapter, write_sweep

TOOLS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
PLUGINS = {"slurm": "snakemake_executor_plugin_slurm"}
PLUGINS["kubernetes"] = "snakemake_executor_plugin_kubernetes"

CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={base}/munge/socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd.pid
SlurmctldLogFile={base}/slurmctld.log
SlurmdLogFile={base}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MinJobAge=300
MailProg=/bin/true
SchedulerParameters=sched_interval=1,batch_sched_delay=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_ports(count):
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def slurm(monkeypatch):
    """A Slurm of one node in a folder of its own; the path of the folder."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no Slurm here: {', '.join(missing)} not found (Debian: slurmctld slurmd)")
    if os.environ.get("MC_LIB_SLURM") != "1":
        pytest.skip("starts daemons: set MC_LIB_SLURM=1 to run it")
    if os.geteuid() != 0:
        pytest.skip("only root starts slurmd")
    pytest.importorskip(PLUGINS["slurm"], reason="the extra [cluster] is not installed")
    base = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))  # a socket's path must be short
    base.chmod(0o755)
    for folder in ("state", "spool", "munge", "bin"):
        (base / folder).mkdir()
    (base / "munge").chmod(0o700)
    host = socket.gethostname().partition(".")[0]
    conf = CONF.format(base=base, host=host, ports=free_ports(2), cores=os.cpu_count())
    (base / "slurm.conf").write_text(conf)
    key = base / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    # the plugin drops SLURM_CONF in a job, where srun then finds no cluster
    srun = base / "bin" / "srun"
    real = shutil.which("srun")
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={base}/slurm.conf exec {real} "$@"\n')
    srun.chmod(0o755)
    monkeypatch.setenv("SLURM_CONF", f"{base}/slurm.conf")
    monkeypatch.setenv("PATH", f"{base}/bin:{os.environ['PATH']}")
    munge = base / "munge"
    files = [f"--{name}={munge}/{name}" for name in ("socket", "pid-file", "log-file", "seed-file")]
    daemons = []
    try:
        for command in (
            ["munged", "--foreground", "--force", f"--key-file={key}", *files],
            ["slurmctld", "-D"],
            ["slurmd", "-D"],
        ):
            daemons.append(
                subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            time.sleep(1)
        yield wait_for_node(base)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(base, ignore_errors=True)


def wait_for_node(base):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True)
        if found.stdout.strip() == "idle":
            return base
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-2000:] for path in base.glob("*.log"))
    raise AssertionError(f"the node never became idle\n{logs}")


def test_a_sweep_through_slurm_finds_what_the_local_one_finds(slurm, tmp_path, capfd, monkeypatch):
    tables = {}
    for on in ("slurm", "local"):
        root = tmp_path / on
        for folder in ("book", "profiles", "sweeps"):
            (root / folder).mkdir(parents=True)
        (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/{NAME}\n")
        (root / "book" / "lab").symlink_to(profiles.ROOT / "book" / "lab")
        (root / "profiles" / "quick.yaml").write_text("{}\n")
        write_chapter(root, *LINES)
        write_sweep(root, seeds=[0, 1, 3], batch=2)
        shutil.copytree(profiles.ROOT / "clusters", root / "clusters")
        shutil.copy(profiles.ROOT / "sweep.smk", root)
        path = root / "clusters" / "slurm" / "config.yaml"
        options = yaml.safe_load(path.read_text()) | {
            "slurm-status-command": "squeue",
            "slurm-no-account": True,
            "slurm-init-seconds-before-status-checks": 1,
            "seconds-between-status-checks": 1,
        }
        path.write_text(yaml.safe_dump(options))
        monkeypatch.setenv("PYTHONPATH", str(profiles.ROOT))
        assert sweep.main(["tiny", "--on", on], root) == 0, capfd.readouterr().err
        table = sweep_store.folder(root, "tiny") / "table.json"
        tables[on] = json.loads(table.read_text())["chapters"][NAME]["claims"]
    assert tables["slurm"] == tables["local"]
    assert tables["slurm"][0]["settings"]["quick"]["failed"] == [3]
    jobs = subprocess.run(
        ["squeue", "--states=all", "-h", "-o", "%T"], capture_output=True, text=True, check=True
    )
    assert jobs.stdout.split() == ["COMPLETED"] * 2


# -- the profiles ---------------------------------------------------------------------
@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_a_profile_sets_only_what_its_executor_knows(name):
    plugin = pytest.importorskip(PLUGINS[name], reason="the extra [cluster] is not installed")
    text = (profiles.ROOT / "clusters" / name / "config.yaml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)
    assert options["executor"] == name
    own = {key for key in options if key.startswith(f"{name}-")}
    fields = plugin.ExecutorSettings.__dataclass_fields__
    assert {key.removeprefix(f"{name}-").replace("-", "_") for key in own} <= fields.keys()


@pytest.mark.parametrize("name", ["slurm", "kubernetes"])
def test_snakemake_reads_a_profile_and_would_run_the_jobs(name, tmp_path):
    pytest.importorskip(PLUGINS[name], reason="the extra [cluster] is not installed")
    base = sweep_store.folder(tmp_path, "tiny")
    plan = {"name": "tiny", "timeout": 60, "jobs": {"01-a": ["x"], "01-b": ["y"]}}
    plan["mem_mb"] = {"01-a": 900, "01-b": 1100}
    sweep_store.write(base / "plan.json", json.dumps(plan))
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("snakemake"), "--dry-run"),
            *("--snakefile", profiles.ROOT / "sweep.smk", "--config", "sweep=tiny"),
            f"root={tmp_path}",
            *("--workflow-profile", profiles.ROOT / "clusters" / name),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "rule job:" in told and "runtime=6" in told
    assert "mem_mb=900" in told and "mem_mb=1100" in told
