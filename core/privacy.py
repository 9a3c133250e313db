"""Switches off what libraries send home. Must run before they are imported."""

import os

# ONNX Runtime GenAI sends usage events, Chroma asks PostHog, the Hugging Face hub reports versions,
# LangSmith uploads traces when an unrelated variable of the shell switches it on.
_SWITCHES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGCHAIN_TRACING": "false",
}


def switch_off_telemetry() -> None:
    """Set every known opt-out, overriding the environment. Cheap; call it before heavy imports."""
    os.environ.update(_SWITCHES)
