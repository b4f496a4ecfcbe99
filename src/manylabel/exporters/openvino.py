"""Export a bundle to OpenVINO's own format.

In:  a bundle.
Out: the folder ``openvino`` in it; with it, scoring needs neither torch nor a conversion.
"""

from manylabel.engines.conversion import convert_bundle
from manylabel.engines.model_files import OPENVINO_FOLDER, write_engine
from manylabel.engines.openvino_models import has_openvino, import_openvino
from manylabel.engines.registry import open_converted
from manylabel.engines.torch import load_classifier
from manylabel.errors import MissingExtraError
from manylabel.exporters.parity import (
    Exported,
    ExportJob,
    check_parity,
    check_parts,
    choose_parity_photos,
    compare_with_torch,
)
from manylabel.io.files import writing


def export_openvino(job: ExportJob) -> Exported:
    """Convert, compare and write; arguments, result and errors as in ``registry.export``."""
    if not has_openvino():
        raise MissingExtraError("Exporting to OpenVINO", "openvino")
    bundle = job.bundle
    photos = choose_parity_photos(bundle.config.preprocessing, photos=job.photos)
    classifier = load_classifier(bundle)
    model = convert_bundle(bundle, classifier=classifier)
    engines = [open_converted(bundle, model, precision="fp32")]
    parity = compare_with_torch(engines, bundle, classifier, on=photos)
    check_parity(parity, bundle=bundle.folder, name="OpenVINO's format", limit=job.max_difference)
    check_parts(model, bundle=bundle.folder, pixels=photos.pixels[:2])
    folder = bundle.folder / OPENVINO_FOLDER
    facts = {
        "bundle": bundle.facts["sha256"],
        "parity": parity.to_dict(),
        "versions": {"openvino": import_openvino().get_version()},
    }
    with writing(folder):
        write_engine(folder, model, facts=facts)
    return Exported(path=folder, parity=parity)
