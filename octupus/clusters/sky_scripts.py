"""The shell scripts of a SkyPilot task: what installs octupus on a node, and what starts Ray over all nodes.

SkyPilot runs a Ray of its own on every node (ports 6380 and 8266, session in /tmp/ray_skypilot), so ours has other
ports and another session, and `ray stop`, which ends every Ray of a machine, is never called.
"""

from __future__ import annotations

from string import Template

ENVIRONMENT = "~/octupus-environment"
"""A virtual environment of its own: SkyPilot's Ray is another version and must not find ours."""
WAIT_S = 900
"""How long nodes wait for each other."""

_SETUP = Template("""\
set -euo pipefail
if [ ! -x $environment/bin/python ]; then
  as_root=$$(command -v sudo || true)
  $$as_root apt-get update --quiet
  # DeepSpeed and Triton compile for the GPU at hand when they first run.
  $$as_root apt-get install --quiet --yes --no-install-recommends g++ ninja-build procps python3-dev python3-venv
  python3 -c 'import sys; sys.exit("octupus needs Python 3.11" if sys.version_info < (3, 11) else 0)'
  python3 -m venv $environment
fi
$environment/bin/pip install --quiet '.[gpu]'
""")

_RUN = Template("""\
set -euo pipefail
source $environment/bin/activate
export RAY_AUTH_MODE=token
unset RAY_RUNTIME_ENV_HOOK
head_ip=$$(head --lines 1 <<< "$$SKYPILOT_NODE_IPS")
own_ip=$$(sed --quiet "$$((SKYPILOT_NODE_RANK + 1))p" <<< "$$SKYPILOT_NODE_IPS")
export RAY_ADDRESS="$$head_ip:6379"
$front
wait_until() { # what, command
  local what=$$1
  shift
  until "$$@" > /dev/null 2>&1; do
    if [ "$$SECONDS" -gt $wait_s ]; then
      echo "error: $$what did not come up within $wait_s s; see /tmp/octupus-ray/session_latest/logs" >&2
      exit 1
    fi
    sleep 2
  done
}
all_nodes() {
  local alive
  alive=$$(ray list nodes --address http://127.0.0.1:8265 --filter state=ALIVE --limit 10000 --format json)
  [ "$$(python -c 'import json, sys; print(len(json.load(sys.stdin)))' <<< "$$alive")" -ge "$$SKYPILOT_NUM_NODES" ]
}
start_node() { # a restarted job finds its Ray as it left it; [/] keeps this line itself from matching
  pgrep --full '[/]raylet .*octupus-ray' > /dev/null || ray start --node-ip-address "$$own_ip" --disable-usage-stats \\
    --num-gpus "$$SKYPILOT_NUM_GPUS_PER_NODE" --dashboard-agent-listen-port 52366 "$$@"
}
if [ "$$SKYPILOT_NODE_RANK" != 0 ]; then
  wait_until "Ray on $$head_ip" ray health-check --address "$$RAY_ADDRESS"
  start_node --address "$$RAY_ADDRESS"
  exit 0 # Ray stays; the first node says how the task ends
fi
start_node --head --port 6379 --dashboard-host 127.0.0.1 --dashboard-port 8265 --ray-client-server-port 20001 \\
  --temp-dir /tmp/octupus-ray
wait_until "Ray on $$SKYPILOT_NUM_NODES nodes" all_nodes
$work
""")


def setup_script() -> str:
    """Installs octupus with its pinned GPU extra, on every node."""
    return _SETUP.substitute(environment=ENVIRONMENT)


def run_script(front: str, work: str) -> str:
    """Starts Ray on every node and, when all have joined, runs `work` on the first, whose exit status is the task's.

    `front` is a line for the environment of Ray's processes, or empty. All text is trusted: it is shell.
    """
    text = _RUN.substitute(environment=ENVIRONMENT, front=front, work=work, wait_s=WAIT_S)
    return "\n".join(line for line in text.split("\n") if line.strip()) + "\n"
