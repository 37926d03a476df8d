"""Sources of tools from what a configuration says of them."""

from __future__ import annotations

from collections.abc import Sequence

from octupus.agent.tools.config import ToolSourceConfig
from octupus.agent.tools.toolbox import Toolbox, ToolSource


async def open_toolbox(configs: Sequence[ToolSourceConfig]) -> Toolbox:
    """The tools of all sources. Raises ConfigError, after closing what was opened, when one cannot be had."""
    sources: list[ToolSource] = []
    try:
        for config in configs:
            sources += await open_source(config)
        return Toolbox(sources)
    except BaseException:
        for source in sources:
            await source.close()
        raise


async def open_source(config: ToolSourceConfig) -> list[ToolSource]:
    """One source, or one for each module of the library. Each kind is imported only where it is used."""
    if config.library is not None:
        from octupus.agent.tools.python_source import library_sources

        return list(await library_sources(config.library, config.limits, config.only))
    if config.python is not None:
        from octupus.agent.tools.python_source import PythonSource

        return [await PythonSource.open(config.python, config.limits, config.only)]
    if config.toolbench is not None:
        from octupus.agent.tools.toolbench_source import toolbench_sources

        return list(await toolbench_sources(config.toolbench, config.limits, config.only))
    if config.openapi is not None:
        from octupus.agent.tools.openapi_source import OpenApiSource

        return [await OpenApiSource.open(config)]
    from octupus.agent.tools.mcp_source import McpSource

    return [await McpSource.open(config)]
