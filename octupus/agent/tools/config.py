"""Which tools an environment has: what a configuration says of their sources."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from octupus.config import StrictModel


class LimitsConfig(StrictModel):
    """What a tool may use in one call."""

    timeout_s: float = Field(default=10.0, gt=0)
    """Longest time of a call; a tool that takes longer is ended."""
    memory_mib: int = Field(default=512, ge=32)
    """Memory that a call may take, beside what Python itself needs."""
    result_bytes: int = Field(default=256 * 1024, ge=64)
    """Longest result as JSON; a longer one is an error."""
    network: bool = False
    """Whether tools may reach the network."""


class ToolSourceConfig(StrictModel):
    """One source of tools; exactly one of library, python, toolbench, openapi, mcp_command and mcp_url is set."""

    library: tuple[str, ...] | None = None
    """Tools that come with octupus, by module (such as bank, calendar); [all] takes every one."""
    python: str | None = None
    """A Python module: a dotted name, or the path of a .py file. Its typed, documented, public functions are tools."""
    toolbench: Path | None = None
    """A directory as ToolBench lays it out: <category>/<tool>.json, and <category>/<tool>/api.py beside it."""
    openapi: str | None = None
    """An OpenAPI document: a file, or an http address."""
    base_url: str | None = None
    """Where an OpenAPI document's operations are, when the document does not say or says another place."""
    mcp_command: tuple[str, ...] | None = None
    """The program of an MCP server, which talks through its standard input and output."""
    mcp_url: str | None = None
    """An MCP server that is reached by streamable HTTP."""
    authorization_env: str | None = None
    """Environment variable that holds the Authorization header for openapi and mcp_url."""
    only: tuple[str, ...] = ()
    """Names of tools to take; empty takes all."""
    limits: LimitsConfig = LimitsConfig()

    def with_absolute_paths(self) -> Self:
        """The same for a process whose working directory is another one."""
        update: dict[str, Path | str] = {}
        if self.toolbench is not None:
            update["toolbench"] = self.toolbench.absolute()
        if self.python is not None and self.python.endswith(".py"):
            update["python"] = str(Path(self.python).absolute())
        if self.openapi is not None and "://" not in self.openapi:
            update["openapi"] = str(Path(self.openapi).absolute())
        return self.model_copy(update=update)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("library", "python", "toolbench", "openapi", "mcp_command", "mcp_url")
        chosen = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(chosen) != 1:
            found = " and ".join(chosen) if chosen else "none"
            raise ValueError(f"a source of tools has exactly one of {', '.join(kinds)}; this one has {found}")
        if self.authorization_env is not None and chosen[0] not in ("openapi", "mcp_url"):
            raise ValueError(f"authorization_env is for openapi and mcp_url; {chosen[0]} sends no such header")
        if self.base_url is not None and chosen[0] != "openapi":
            raise ValueError(f"base_url is for openapi; {chosen[0]} has no use for it")
        if self.mcp_command is not None and not self.mcp_command:
            raise ValueError("mcp_command is empty; give the server's program and its arguments")
        return self
