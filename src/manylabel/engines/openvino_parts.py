"""Take apart OpenVINO models of classifiers.

In:  a model with outputs "logits" and, where the network has places, "features" and "activations".
Out: models that compute one of these and no more.

    pixels ──────────── activations ──────────── logits
             lower part               upper part
"""

from typing import TYPE_CHECKING, Any

from manylabel.quiet_imports import import_openvino

if TYPE_CHECKING:
    import openvino

PIXELS, ACTIVATIONS, FEATURES, LOGITS, PROBABILITIES = (
    "pixels",
    "activations",
    "features",
    "logits",
    "probabilities",
)


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
    """Return the model from activations [n, *shape] to logits; None where the network has no such part.

    Above the activations, what lies below them is at most asked for its shape, of which all but the number of
    photos is known. ``locators.parts_difference`` says whether both parts give what the whole gives.
    """
    if not has_output(model, ACTIVATIONS):
        return None
    openvino = import_openvino()
    twin = model.clone()
    result, logits = (twin.output(name).get_node() for name in (ACTIVATIONS, LOGITS))
    source = result.input(0).get_source_output()
    activations = openvino.opset13.parameter(source.get_partial_shape(), source.get_element_type())
    for reader in source.get_target_inputs():
        if reader.get_node().get_friendly_name() != result.get_friendly_name():
            reader.replace_source_output(activations.output(0))
    pixels = twin.get_parameters()[0].get_friendly_name()
    for node in _nodes_below(logits):
        if node.get_type_name() == "ShapeOf" and _depends_on(node, pixels):
            _tell_shape(node, activations)
    if _depends_on(logits, pixels):
        return None
    return openvino.Model([logits], [activations], "upper part")


def _tell_shape(node: "openvino.Node", activations: "openvino.Node") -> None:
    """Put what is known of a shape in its place, and the number of photos as the activations have it."""
    ops = import_openvino().opset13
    _, *others = node.input(0).get_partial_shape()
    if any(axis.is_dynamic for axis in others):
        return  # nobody knows; the caller notices that the pixels are still needed
    kind = node.output(0).get_element_type()
    known = ops.constant([axis.get_length() for axis in others], dtype=kind)
    n_photos = ops.gather(
        ops.shape_of(activations, output_type=kind.get_type_name()), ops.constant([0]), ops.constant(0)
    )
    shape = ops.concat([n_photos, known], axis=0)
    for reader in node.output(0).get_target_inputs():
        reader.replace_source_output(shape.output(0))


def _nodes_below(node: "openvino.Node") -> list["openvino.Node"]:
    """Return everything that a node is computed from, itself among it."""
    found, waiting = dict[str, Any](), [node]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in found:
            found[node.get_friendly_name()] = node
            waiting += [end.get_source_output().get_node() for end in node.inputs()]
    return list(found.values())


def _depends_on(node: "openvino.Node", name: str) -> bool:
    return any(below.get_friendly_name() == name for below in _nodes_below(node))
