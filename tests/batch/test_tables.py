"""Tables of pairs: what spreadsheets and programs write, and what is wrong with a row."""

from __future__ import annotations

from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from explorer.batch.rows import Manner, without_twins
from explorer.batch.tables import read_table
from explorer.core.errors import InvalidInput, WeightsMissing

MANNER = Manner()


def read(tmp_path: Path, text: str | bytes, name: str = "pairs.csv") -> list:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, MANNER).rows


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_as_spreadsheets_write_it(tmp_path: Path, separator: str, mark: str, end: str) -> None:
    lines = ["ID|Picture | caption|reference", 'a|x.jpg|"one, two; ""three"""|', "||||", "", "b|y.jpg||z.jpg", ""]
    text = mark + end.join(lines).replace("|", separator).replace("two; ", "two; ")
    first, second = read(tmp_path, text)
    assert (first.id, first.picture, first.caption, first.reference) == ("a", "x.jpg", 'one, two; "three"', None)
    assert (second.id, second.picture, second.caption, second.reference) == ("b", "y.jpg", None, "z.jpg")
    assert first.error is None
    assert second.error is None


def test_settings_of_a_row(tmp_path: Path) -> None:
    text = "picture,caption,n_masks,p_keep,mode,method\na,b,64,0.4,closest,\na,b,,,,\na,b,64.0,,,rise\n"
    own, plain, third = read(tmp_path, text)
    assert (own.manner.masking.n_masks, own.manner.masking.p_keep, own.manner.selection.mode) == (64, 0.4, "closest")
    assert plain.manner is None
    assert (third.manner.method, third.manner.masking.n_masks) == ("rise", 64)
    assert (own.id, plain.id) == (0, 1)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",b.jpg,,,", "names no picture"),
        ("a.jpg,,,,", "neither a reference nor a caption"),
        ("a.jpg,b.jpg,words,,", "both a reference and a caption"),
        ("a.jpg,b.jpg,,many,", "n_masks must be a whole number"),
        ("a.jpg,b.jpg,,3,", "n_masks must be 10 to"),
        ("a.jpg,b.jpg,,,sideways", "Unknown mode"),
        ("a.jpg,b.jpg,,,,too many", "Line 2 has 6 fields, the header 5"),
    ],
)
def test_a_bad_row_is_a_row_with_an_error(tmp_path: Path, row: str, said: str) -> None:
    bad, good = read(tmp_path, f"picture,reference,caption,n_masks,mode\n{row}\na.jpg,b.jpg,,,\n")
    assert said in str(bad.error)
    assert good.error is None


def test_an_id_given_twice_is_an_error_of_the_second(tmp_path: Path) -> None:
    rows = without_twins(read(tmp_path, "id,picture,caption\nx,a,b\nx,a,c\ny,a,d\n"))
    assert [row.error is None for row in rows] == [True, False, True]
    assert "The id x is that of row 0 already" in str(rows[1].error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has: nothing"),
        ("image,caption\na,b\n", "it has: image, caption"),
        ("picture,label\na,b\n", "it has: picture, label"),
        ("picture,caption,Picture\na,b,c\n", "picture is there twice"),
        ("picture,caption\n", "has no rows"),
        ('picture,caption\n"a,b\n', "at line 2"),
        ("picture,caption\na,\xe9\n".encode("latin-1"), "is not text in UTF-8"),
    ],
)
def test_what_is_no_table_of_pairs_says_so(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(tmp_path, text)


def test_no_such_table(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InvalidInput, match=f"Cannot read {name}: no such file"):
            read_table(tmp_path / name, MANNER)


def test_columns_of_other_things_are_told(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("picture,caption,n_mask\na,b,3\n")
    assert read_table(tmp_path / "pairs.csv", MANNER).unused == ("n_mask",)


def test_parquet(tmp_path: Path) -> None:
    columns = {"id": [7, 8], "picture": ["a.jpg", "b.jpg"], "caption": ["a bee", None], "n_masks": [64, None]}
    pyarrow.parquet.write_table(pyarrow.table(columns | {"other": [1, 2]}), tmp_path / "pairs.parquet")
    found = read_table(tmp_path / "pairs.parquet", MANNER)
    first, second = found.rows
    assert (first.id, first.picture, first.caption, first.manner.masking.n_masks) == (7, "a.jpg", "a bee", 64)
    assert "neither" in str(second.error)
    assert found.unused == ("other",)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(InvalidInput, match="damaged or no Parquet file"):
        read_table(tmp_path / "bad.parquet", MANNER)


def test_pictures_in_parquet_are_named_by_paths(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"picture": [b"bytes"], "caption": ["a"]}), tmp_path / "pairs.parquet")
    (row,) = read_table(tmp_path / "pairs.parquet", MANNER).rows
    assert "picture must be text" in str(row.error)


def test_without_pyarrow_a_sentence_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explorer.batch.tables.not_importable", lambda modules: tuple(modules))
    with pytest.raises(WeightsMissing, match=r"distance-explorer\[batch\]"):
        read_table(tmp_path / "pairs.parquet", MANNER)
