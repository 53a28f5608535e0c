"""Adopting a run changes what differs, and nothing else."""

import nbformat
import numpy as np

from book.pipeline import adopt


def test_only_arrays_that_differ_replace_the_committed_ones(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "kept"
    for folder in (run, kept):
        folder.mkdir()
    for name, ours, theirs in (("same", 1.0, 1.0 + 1e-9), ("other", 1.0, 2.0), ("new", 1.0, None)):
        np.savez(run / name, x=np.array([ours]))
        if theirs is not None:
            np.savez(kept / name, x=np.array([theirs]))
    lines = adopt.adopt_figures(run, kept)
    assert lines == ["new: new", "other: x differs by up to 1"]
    found = {path.stem: float(np.load(path)["x"][0]) for path in kept.iterdir()}
    assert found == {"same": 1.0 + 1e-9, "other": 1.0, "new": 1.0}


def test_a_stream_that_came_in_pieces_is_whole_and_traces_are_gone():
    def printed(text, name="stdout"):
        return nbformat.v4.new_output("stream", name=name, text=text)

    shown = nbformat.v4.new_output("display_data", data={"text/plain": "a"})
    outputs = [printed("a\n"), printed("b\n"), printed("c", "stderr"), shown, printed("d")]
    cell = nbformat.v4.new_code_cell("1", outputs=outputs, metadata={"tags": [], "papermill": {}})
    kernel = {"name": "python3", "display_name": "Python 3"}
    metadata = {"papermill": {}, "kernelspec": kernel}
    book = nbformat.v4.new_notebook(cells=[cell], metadata=metadata)
    book = adopt.without_traces(book)
    texts = [output.get("text") for output in book.cells[0].outputs]
    assert texts == ["a\nb\n", "c", None, "d"]
    assert (dict(book.metadata), dict(book.cells[0].metadata)) == ({"kernelspec": kernel}, {})
