"""Makes the graph of multilingual-e5-small without its weights, which `models pull` supplies.

    python -m deskhand.models.export.e5_skeleton [OUTPUT_FOLDER]

Every tensor refers to its place in `weights.bin`, as deskhand.models.layout lays it out.
"""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from onnx import TensorProto  # type: ignore[import-not-found,unused-ignore]

from deskhand.models.export.bert import build_bert
from deskhand.models.layout import EncoderSize, tensors

SIZE = EncoderSize(layers=12, heads=12, hidden=384, feed_forward=1536, words=250_037, positions=512)
_EPSILON = 1e-12
_TYPES = {"i1": TensorProto.INT8, "u1": TensorProto.UINT8, "f4": TensorProto.FLOAT}


class ExternalWeights:
    """Tensors that lie in another file.

    Args:
        size: Sizes of the encoder.
        location: Name of the weights file, in the same folder.
    """

    def __init__(self, size: EncoderSize, location: str = "weights.bin") -> None:
        self._places = {tensor.name: tensor for tensor in tensors(size)}
        self._location = location

    def tensor(self, name: str) -> Any:
        """The tensor of that name, by reference."""
        place = self._places[name]
        result = TensorProto(
            name=name,
            data_type=_TYPES[place.dtype.str[1:]],
            dims=place.shape,
            data_location=TensorProto.EXTERNAL,
        )
        values = {"location": self._location, "offset": place.offset, "length": place.bytes}
        for key, value in values.items():
            result.external_data.add(key=key, value=str(value))
        return result


def main(output: Path) -> None:
    """Write model.onnx into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    model = build_bert(SIZE, ExternalWeights(SIZE), _EPSILON)
    (output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    default = Path(str(files("deskhand.models"))) / "data" / "multilingual-e5-small"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
