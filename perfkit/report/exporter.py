"""The nbconvert exporter behind `jupyter nbconvert --to perfkit` and `perfkit report`."""

from pathlib import Path
from typing import Any

from nbconvert.exporters.templateexporter import TemplateExporter
from traitlets import default

from perfkit.report.page import PageBuilder
from perfkit.report.reading import summarize
from perfkit.report.style import filters, policy, script, style_sheet

_TEMPLATES = Path(__file__).with_name("templates")


class ReportExporter(TemplateExporter):  # type: ignore[misc]  # nbconvert carries no types
    """One self-contained HTML file that loads nothing, with what was found at its top."""

    export_from_notebook = "perfkit report (HTML)"
    output_mimetype = "text/html"

    @default("file_extension")  # type: ignore[untyped-decorator]
    def _file_extension_default(self) -> str:
        return ".html"

    @default("template_name")  # type: ignore[untyped-decorator]
    def _template_name_default(self) -> str:
        return "perfkit"

    @default("extra_template_basedirs")  # type: ignore[untyped-decorator]
    def _extra_template_basedirs_default(self) -> list[str]:
        return [*super()._default_extra_template_basedirs(), str(_TEMPLATES)]

    def default_filters(self) -> Any:
        """The filters of the template, after nbconvert's own."""
        yield from super().default_filters()
        yield from filters().items()

    def __init__(self, **kw: Any) -> None:
        super().__init__(**kw)
        self.environment.autoescape = True
        self.register_preprocessor(_add_page, enabled=True)

    def from_notebook_node(
        self, nb: Any, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Turn a notebook into a page.

        Args:
            nb: a notebook of format 4, executed or not.
            resources: nbconvert's; `metadata.path` is the folder of the notebook, whose pictures are
                embedded, and `metadata.name` its name, the title of a notebook without a heading.
            kw: passed on to nbconvert.

        Returns:
            The page, and the resources with the `ReportSummary` under `perfkit`.
        """
        output, resources = super().from_notebook_node(nb, resources, **kw)
        resources["perfkit"] = resources.pop("perfkit_page")["summary"]
        return output, resources


def _add_page(nb: Any, resources: Any) -> tuple[Any, Any]:
    """The last preprocessor: what the template shows is read from what the others left of the notebook."""
    metadata = resources.get("metadata", {})
    page = PageBuilder(nb, str(metadata.get("path") or "")).build()
    name = str(metadata.get("name") or "Notebook").replace("_", " ")
    resources["perfkit_page"] = {
        "page": page,
        "summary": summarize(nb, page.title or str(nb.metadata.get("title") or name)),
        "policy": policy(with_snakeviz=page.has_snakeviz),
        "style": style_sheet(),
        "script": script(),
    }
    return nb, resources
