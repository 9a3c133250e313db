"""Scripts that produce the model files shipped as package data. Not imported at run time.

They need `onnx` beside the base install:

    python -m pip install onnx
    python -m deskhand.models.export.minilm PATH/model.safetensors PATH/tokenizer.json
    python -m deskhand.models.export.e5_skeleton
"""

__all__: list[str] = []
