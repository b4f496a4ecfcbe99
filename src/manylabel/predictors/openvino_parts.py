"""Take apart OpenVINO models of classifiers.

In:  a model with outputs "logits" and, where the network has places, "activations".
Out: models that compute one of these and no more.

    pixels ──────────── activations ──────────── logits
             lower part               upper part
"""

from typing import TYPE_CHECKING

from manylabel.quiet_imports import import_openvino

if TYPE_CHECKING:
    import openvino

LOGITS, ACTIVATIONS, PROBABILITIES, PIXELS = "logits", "activations", "probabilities", "pixels"


def has_output(model: "openvino.Model", name: str) -> bool:
    """Say whether a model has an output of this name."""
    return any(name in output.get_names() for output in model.outputs)


def keep_outputs(model: "openvino.Model", *names: str) -> "openvino.Model":
    """Return a model of some outputs, in this order, so that nothing else is computed.

    Args:
        model: Stays as it is. One with a single output is returned as it is: there is nothing to leave out.
        names: The outputs to keep.
    """
    if len(model.outputs) == 1:
        return model
    openvino = import_openvino()
    twin = model.clone()
    results = [twin.output(name).get_node() for name in names]
    return openvino.Model(results, twin.get_parameters(), "part")


def upper_part(model: "openvino.Model") -> "openvino.Model | None":
    """Return the model from activations [n, *shape] to logits; None where the network has no places."""
    if not has_output(model, ACTIVATIONS):
        return None
    openvino = import_openvino()
    twin = model.clone()
    result = twin.output(ACTIVATIONS).get_node()
    source = result.input(0).get_source_output()
    activations = openvino.opset13.parameter(source.get_partial_shape(), source.get_element_type())
    activations.set_friendly_name(ACTIVATIONS)
    for reader in source.get_target_inputs():
        if reader.get_node().get_friendly_name() != result.get_friendly_name():
            reader.replace_source_output(activations.output(0))
    # Above the activations, the pixels are only asked how many photos there are.
    for node in twin.get_ops():
        if node.get_type_name() == "ShapeOf" and _reads_pixels(node):
            node.input(0).replace_source_output(activations.output(0))
    return openvino.Model([twin.output(LOGITS).get_node()], [activations], "upper part")


def _reads_pixels(node: "openvino.Node") -> bool:
    """Say whether a node reads the parameter of a model, through changes of the number type at most."""
    source = node.input(0).get_source_output().get_node()
    while source.get_type_name() == "Convert":
        source = source.input(0).get_source_output().get_node()
    return bool(source.get_type_name() == "Parameter" and source.get_friendly_name() != ACTIVATIONS)
