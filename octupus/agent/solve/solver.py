"""`solve`: one query on one environment, by the method that the configuration names."""

from __future__ import annotations

from octupus.agent.environment import Environment
from octupus.agent.solve.budget import SolvingStopped
from octupus.agent.solve.chain import solve_by_chains
from octupus.agent.solve.config import SolverConfig
from octupus.agent.solve.events import Event, Listener, silent
from octupus.agent.solve.finish import FINISH, FINISH_TOOL
from octupus.agent.solve.prompts import SYSTEM_PROMPT
from octupus.agent.solve.search import solve_by_search
from octupus.agent.solve.session import Client, Session
from octupus.agent.solve.tree import Solution
from octupus.errors import ConfigError


async def solve(
    query: str,
    environment: Environment,
    client: Client,
    config: SolverConfig,
    listener: Listener = silent,
    query_id: str = "0",
) -> Solution:
    """Solve a query; whatever the model, a tool or the endpoint does is told in the solution, and nothing is raised.

    The environment is left in the state of the chain that counts. Raises ConfigError when the method cannot work on
    this environment.
    """
    refuse_unfit(environment, config)
    solution = Solution(
        query=query,
        query_id=query_id,
        method=config.method,
        roots=[],
        answers=[],
        system_prompt=SYSTEM_PROMPT,
        tools=(*environment.tools, FINISH_TOOL),
        settings=config.model_dump(mode="json"),
    )
    session = Session(solution, environment, client, config, listener)
    names = [tool.function.name for tool in environment.tools]
    listener(
        Event("on_request_start", data={"query": query, "query_id": query_id, "method": config.method, "tools": names})
    )
    try:
        if config.chains is None:
            await solve_by_search(session)
        else:
            await solve_by_chains(session, config.chains)
    except SolvingStopped as stopped:
        solution.stopped = str(stopped)
        for node in solution.nodes:  # answers that a ranking search had not come to yet
            session.visit(node)
    budget = session.budget
    solution.query_count, solution.tokens_in, solution.tokens_out = budget.queries, budget.tokens_in, budget.tokens_out
    solution.retries = dict(budget.retries)
    session.restore_final()
    solution.state = environment.state()
    final = solution.final
    listener(
        Event(
            "on_request_end",
            node=final.number if final else 0,
            depth=final.depth if final else 0,
            data={
                "win": solution.win,
                "output": final.final_answer if final else "",
                "finish": final.finish if final else None,
                "stopped": solution.stopped,
                "chain": [node.number for node in final.path()] if final else [],
                "query_count": solution.query_count,
                "tokens_in": solution.tokens_in,
                "tokens_out": solution.tokens_out,
            },
        )
    )
    return solution


def refuse_unfit(environment: Environment, config: SolverConfig) -> None:
    """Raises ConfigError when the method cannot work on the environment."""
    if any(tool.function.name == FINISH for tool in environment.tools):
        raise ConfigError(f"a tool is named {FINISH}, which is how tasks end; leave it out, or rename it")
    if config.goes_back and not environment.restorable and not config.allow_unrestorable:
        raise ConfigError(
            f"method {config.method} goes back to earlier states, but some of these tools keep theirs elsewhere, where "
            "nothing can be undone; take CoT@1, leave those tools out, or set allow_unrestorable"
        )
