"""CalibrationSet the columns of a table: photos, labels, and what is left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.data.formats import read_table
from manylabel.errors import ConfigError, TableError
from manylabel.types import LabelTable


def read(
    folder: Path, text: str, *, name: str = "labels.csv", photos: str = "1 2 3 4", **said: Any
) -> LabelTable:
    for photo in photos.split():
        (folder / f"{photo}.jpg").touch()
    (folder / name).write_text(text, encoding="utf-8")
    return read_table(folder / name, photos=folder, **said)


def labels_of(table: LabelTable) -> dict[str, set[str]]:
    return {
        name: {label for label, target in zip(table.labels, row, strict=True) if target == 1}
        for name, row in zip(table.names, table.targets, strict=True)
    }


def test_names_of_files_go_before_bare_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "image_id,file_name,labels\n1,2.jpg,sea\n2,3.jpg,boat\n3,4.jpg,sea;boat\n")
    assert labels_of(table) == {"2.jpg": {"sea"}, "3.jpg": {"boat"}, "4.jpg": {"sea", "boat"}}
    assert "columns that hold no labels are left out: 'image_id'" in table.notes[0]


def test_hugging_face_names_photos_in_file_name(tmp_path: Path) -> None:
    lines = (
        '{"image": "1.jpg", "file_name": "2.jpg", "labels": ["sea"]}\n{"file_name": "3.jpg", "labels": []}\n'
    )
    assert labels_of(read(tmp_path, lines, name="metadata.jsonl")) == {"2.jpg": {"sea"}, "3.jpg": set()}


@pytest.mark.parametrize("header", ["Inventar,Datei,Ort", "nr,imagen,lugar", "№,ảnh,nơi"])
def test_the_column_whose_cells_are_photos_names_them_in_any_language(tmp_path: Path, header: str) -> None:
    table = read(tmp_path, f"{header}\n17,1.jpg,sea;boat\n18,2.jpg,sea\n19,3.jpg,\n20,4.jpg,boat\n")
    assert labels_of(table)["1.jpg"] == {"sea", "boat"}
    assert table.names == ("1.jpg", "2.jpg", "3.jpg", "4.jpg")


def test_two_columns_that_name_different_photos_are_a_problem_with_its_line(tmp_path: Path) -> None:
    text = "file,thumbnail,labels\n1.jpg,1.jpg,sea\n2.jpg,3.jpg,boat\n3.jpg,3.jpg,\n"
    with pytest.raises(
        TableError, match=r"labels\.csv, line 3: 'file' names 2\.jpg, 'thumbnail' names 3\.jpg"
    ):
        read(tmp_path, text)
    assert read(tmp_path, text, photo_column="file", label_columns=["labels"]).names[1] == "2.jpg"


def test_columns_can_be_said_and_left_out(tmp_path: Path) -> None:
    text = "image,sea,boat,checked\n1.jpg,1,0,1\n2.jpg,0,1,0\n"
    assert read(tmp_path, text).labels == ("sea", "boat", "checked")
    assert read(tmp_path, text, ignore=["checked"]).labels == ("sea", "boat")
    assert read(tmp_path, text, label_columns=["boat", "sea"]).labels == ("boat", "sea")


@pytest.mark.parametrize("option", ["photo_column", "label_columns", "ignore"])
def test_a_column_that_is_not_there_names_the_one_that_may_be_meant(tmp_path: Path, option: str) -> None:
    said: dict[str, Any] = {option: "boats" if option == "photo_column" else ["boats"]}
    with pytest.raises(
        ConfigError,
        match=rf"{option}: labels\.csv, line 1 has no column 'boats'; it has .*; did you mean 'boat'",
    ):
        read(tmp_path, "image,boat\n1.jpg,1\n2.jpg,0\n", **said)


def test_several_columns_may_list_labels(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label1,label2\n1.jpg,sea,boat\n2.jpg,sea,\n3.jpg,,\n")
    assert labels_of(table) == {"1.jpg": {"sea", "boat"}, "2.jpg": {"sea"}, "3.jpg": set()}
    assert table.source.endswith("labels in 2 columns")


def test_a_line_per_photo_and_label_is_joined_and_told(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,LabelName\n1,sea\n1,boat\n2,boat\n2,sea\n3,sea\n")
    assert labels_of(table) == {"1.jpg": {"sea", "boat"}, "2.jpg": {"sea", "boat"}, "3.jpg": {"sea"}}
    assert (
        table.notes[0]
        == "labels.csv: read as one line per photo and label: 2 photos of 3 are named on several lines"
    )


def test_a_line_per_photo_and_label_may_say_that_the_label_is_absent(tmp_path: Path) -> None:
    table = read(tmp_path, "ImageID,LabelName,Confidence\n1,sea,1\n1,boat,0\n2,boat,1\n2,sea,0\n3,sea,1\n")
    np.testing.assert_array_equal(table.targets, [[0, 1], [1, 0], [np.nan, 1]])
    assert "labels that have no line are unknown" in table.notes[1]


def test_boxes_of_objects_are_labels_of_their_photo(tmp_path: Path) -> None:
    table = read(tmp_path, "filename,width,class,xmin\n1.jpg,96,sea,1\n1.jpg,96,boat,7\n2.jpg,96,boat,1\n")
    assert labels_of(table) == {"1.jpg": {"sea", "boat"}, "2.jpg": {"boat"}}


@pytest.mark.parametrize("cell", ["[1 0 1]", '"[1, 0, 1]"', '"1,0,1"'])
def test_rows_of_zeros_and_ones_without_names_are_an_error(tmp_path: Path, cell: str) -> None:
    with pytest.raises(TableError, match="nothing says which label each of them is"):
        read(tmp_path, f"image,labels\n1.jpg,{cell}\n2.jpg,{cell.replace('1', '0', 1)}\n")


def test_numbers_that_are_no_marks_are_an_error_that_loses_no_label(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column 'sea' holds 0, 1 and other numbers such as 2"):
        read(tmp_path, "image,sea,boat\n1.jpg,1,1\n2.jpg,2,0\n3.jpg,3,1\n4.jpg,2,0\n")
    with pytest.raises(TableError, match=r"no column of labels: 'sea' holds '0\.1', 'boat' holds '0\.9'"):
        read(tmp_path, "image,sea,boat\n1.jpg,0.1,0.9\n2.jpg,0.2,0.05\n")


def test_cells_that_give_nearly_every_photo_a_label_of_its_own_are_an_error(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(12)]
    lines = "\n".join(f"{name}.jpg,a view of place {name}" for name in names)
    with pytest.raises(
        TableError, match="12 of 12 photos would have labels that no other photo has"
    ) as caught:
        read(tmp_path, f"image,labels\n{lines}\n", photos=" ".join(names))
    assert str(caught.value).count(" as 'a view of place") == 3
    assert "--delimiter TEXT" in str(caught.value)


@pytest.mark.parametrize("word", ["none", "-", "nan"])
def test_a_word_for_nothing_says_that_no_label_applies_unless_it_is_one(tmp_path: Path, word: str) -> None:
    table = read(tmp_path, f"image,labels\n1.jpg,{word}\n2.jpg,sea;boat\n3.jpg,sea\n")
    assert labels_of(table)["1.jpg"] == set()
    assert table.notes[0] == f"labels.csv: 1 cell of labels holds '{word}', read as 'no label applies'"
    assert word in read(tmp_path, f"image,labels\n1.jpg,{word}\n2.jpg,sea;{word}\n3.jpg,sea\n").labels


def test_labels_on_few_photos_can_be_left_out(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\n1.jpg,sea;boat\n2.jpg,sea\n3.jpg,\n", min_photos=2)
    assert table.labels == ("sea",)
    assert "labels on fewer than 2 photos are left out: 'boat (1)'" in table.notes[-1]


def test_invisible_characters_are_removed_with_a_note(tmp_path: Path) -> None:
    table = read(
        tmp_path, "image,labels\n1.jpg,sea\u200b;boat\n2.jpg,\ufeffsea\n3.jpg,old\u00a0town\n4.jpg,\n"
    )
    assert table.labels == ("boat", "old town", "sea")
    assert labels_of(table)["2.jpg"] == {"sea"}
    assert "invisible characters were removed from labels: " in table.notes[0]


def test_two_columns_whose_names_look_alike_are_a_problem(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="two labels differ only by an invisible character: 'sea'"):
        read(tmp_path, "image,sea,sea\u200b\n1.jpg,1,0\n2.jpg,0,1\n")


def test_labels_that_are_probably_one_are_told_together(tmp_path: Path) -> None:
    text = "image,labels\n1.jpg,berge;boat 1\n2.jpg,Berge;boat 2\n3.jpg,Bergee\n4.jpg,berge\n"
    [note] = read(tmp_path, text).notes
    assert "these labels may be the same, spelled differently: 'Berge' (1), 'Bergee' (1), 'berge' (2)" in note
    assert "boat" not in note


def test_the_classes_of_a_manifest_of_sagemaker_have_their_names(tmp_path: Path) -> None:
    line = (
        '{"source-ref": "s3://bucket/%d.jpg", "scene": [%s], '
        '"scene-metadata": {"class-map": {"0": "sea", "1": "boat"}, "job-name": "labeling-job/scene"}}\n'
    )
    table = read(tmp_path, line % (1, "0, 1") + line % (2, "1"), name="output.manifest")
    assert labels_of(table) == {"1.jpg": {"sea", "boat"}, "2.jpg": {"boat"}}


def test_a_row_counter_does_not_name_numbered_photos(tmp_path: Path) -> None:
    table = read(tmp_path, ",id,sea,boat\n0,3,1,0\n1,1,0,1\n2,4,1,1\n3,2,0,0\n")
    assert labels_of(table) == {"3.jpg": {"sea"}, "1.jpg": {"boat"}, "4.jpg": {"sea", "boat"}, "2.jpg": set()}


def test_a_photo_may_be_called_like_a_column(tmp_path: Path) -> None:
    text = "image,labels\n1.jpg,sea\n2.jpg,boat\nimage.jpg,sea\n"
    assert labels_of(read(tmp_path, text, photos="1 2 image"))["image.jpg"] == {"sea"}


def test_a_label_may_be_called_like_a_list_of_labels(tmp_path: Path) -> None:
    table = read(tmp_path, "image,sea,objects\n1.jpg,x,\n2.jpg,,x\n3.jpg,x,x\n")
    assert table.labels == ("sea", "objects")


def test_two_columns_of_repeated_texts_are_an_error_that_names_both(tmp_path: Path) -> None:
    motifs = ["a, b", "b, c", "a, c", "a", "b", "c", "a, b, c", "c, b", "b, a", "c, a", "a, d", "b, d"]
    lines = [f'{number}.jpg,"{motif}",{"MSL"[number % 3]}' for number, motif in enumerate(motifs)]
    text = "\n".join(["file,motif,by", *lines])
    with pytest.raises(TableError, match="several columns may list the labels: 'motif', 'by'"):
        read(tmp_path, text, photos=" ".join(map(str, range(12))))


def test_a_line_may_say_that_its_label_is_absent_though_no_photo_returns(tmp_path: Path) -> None:
    table = read(tmp_path, "image,label,present\n1.jpg,sea,0\n2.jpg,sea,1\n3.jpg,boat,0\n4.jpg,boat,1\n")
    assert labels_of(table) == {"1.jpg": set(), "2.jpg": {"sea"}, "3.jpg": set(), "4.jpg": {"boat"}}
    with pytest.raises(TableError, match=r"column 'present' holds '0\.5', neither 1"):
        read(tmp_path, "image,label,present\n1.jpg,sea,0.5\n2.jpg,boat,1\n")


def test_a_label_whose_only_photo_is_missing_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no photo carries label 'boat'"):
        read(tmp_path, "image,sea,boat\n1.jpg,1,0\n2.jpg,0,0\n3.jpg,1,0\nlost.jpg,0,1\n")


def test_a_limit_that_leaves_no_label_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no label is on 3 photos or more; choose a lower --min-photos"):
        read(tmp_path, "image,labels\n1.jpg,sea\n2.jpg,boat\n", min_photos=3)


def test_blank_columns_beside_marks_are_remarks_that_nobody_made(tmp_path: Path) -> None:
    table = read(tmp_path, "image,sea,remarks\n1.jpg,x,\n2.jpg,,\n")
    assert table.labels == ("sea",)
    table = read(
        tmp_path, "image,sea,boat\n1.jpg,1,\n2.jpg,0,\n", label_columns=["sea", "boat"], purpose="checking"
    )
    assert table.labels == ("sea", "boat")


def test_the_column_of_photos_is_no_label(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="label_columns: 'image' names the photos"):
        read(tmp_path, "image,sea\n1.jpg,1\n2.jpg,0\n", label_columns=["image", "sea"])


def test_a_split_with_one_odd_word_is_no_remark(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column 'set' holds parts of a split; name it 'split'"):
        read(
            tmp_path, "image,labels,set\n1.jpg,sea,train\n2.jpg,boat,train\n3.jpg,,test\n4.jpg,sea,holdout\n"
        )


def test_lines_of_one_cell_are_labels(tmp_path: Path) -> None:
    table = read(tmp_path, 'image,labels\n1.jpg,"old town\nsea"\n2.jpg,"sea\nboat"\n3.jpg,boat\n')
    assert table.labels == ("boat", "old town", "sea")
    assert table.source.endswith("labels joined by line breaks")


def test_blanks_that_a_few_zeros_make_unknown_are_told(tmp_path: Path) -> None:
    marks = "\n".join(f"{number}.jpg,x,,,," for number in range(1, 5))
    table = read(tmp_path, f"image,a,b,c,d,e\n{marks}\n5.jpg,0,x,x,x,x\n", photos="1 2 3 4 5")
    assert "16 blank cells are read as unknown, because 1 cell of labels say absent" in table.notes[0]


def test_a_meaning_of_blanks_that_there_is_not_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="blank: 'absnt' was given, expected absent or unknown"):
        read(tmp_path, "image,sea\n1.jpg,1\n2.jpg,\n", blank="absnt")


def test_a_column_with_a_comma_in_its_name_can_be_named(tmp_path: Path) -> None:
    text = 'image,sea,"boat, old","Year, month"\n1.jpg,1,0,1999\n2.jpg,0,1,2001\n'
    for said in ({"label_columns": ("sea", "boat", "old")}, {"ignore": ("Year", "month")}):
        assert read(tmp_path, text, **said).labels == ("sea", "boat, old")
    with pytest.raises(ConfigError, match="has no column 'old'"):
        read(tmp_path, text, label_columns=("sea", "old"))


def test_a_slash_that_parts_nothing_known_is_told(tmp_path: Path) -> None:
    table = read(tmp_path, "image,labels\n1.jpg,sea / beach\n2.jpg,boat\n3.jpg,sea / beach\n")
    assert table.labels == ("boat", "sea / beach")
    assert "a slash is part of the label: 'sea / beach'; --delimiter '/' splits there" in str(table.notes)
