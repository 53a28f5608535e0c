"""papermill's engine, which writes the notebook when a code cell begins, and at the end.

papermill itself writes it at the beginning and the end of every cell, text included: a
hundred times a chapter, which takes a second or two.
"""

from typing import Any

from papermill.engines import NBClientEngine, papermill_engines

NAME = "seldom"


class SeldomSaving(NBClientEngine):
    """The file shows which cell is under way, for the progress of a build and after a crash."""

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> Any:
        """Run the cells, as papermill does, with a `save` of our own for as long as that lasts."""
        write = nb_man.save

        def save(**_: Any) -> None:
            code = (cell for cell in nb_man.nb.cells if cell.cell_type == "code")
            if any(cell.metadata.papermill["status"] == nb_man.RUNNING for cell in code):
                write()

        nb_man.save = save
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **options)
        finally:
            del nb_man.save  # papermill saves the end


papermill_engines.register(NAME, SeldomSaving)
