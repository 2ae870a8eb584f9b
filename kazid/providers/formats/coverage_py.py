"""coverage.py's JSON report (formats 1 to 3), from its totals and not from its percentage.

coverage.py says 100 % of nothing; the counts say that nothing was measured.
"""

from collections.abc import Iterator

from kazid.core.json import Json, JsonObject
from kazid.providers.formats.coverage_report import CoverageProblem, CoverageReport, FileCoverage, checked
from kazid.providers.formats.json_text import NotJson, documents_in, parse_json
from kazid.providers.formats.report import integer_of, object_of, text_of


def read_coverage_py(text: str) -> CoverageReport | CoverageProblem:
    """The report of an output; log lines around it are passed over."""
    try:
        document: Json = parse_json(text)
    except NotJson as error:
        document = next((d for d in documents_in(text) if "totals" in object_of(d)), None)
        if document is None:
            return CoverageProblem("no_report", f"no coverage.py JSON in the output: {error}")
    report = object_of(document)
    totals, meta = object_of(report.get("totals")), object_of(report.get("meta"))
    lines = integer_of(totals.get("covered_lines")), integer_of(totals.get("num_statements"))
    if lines[0] is None or lines[1] is None or not meta:
        return CoverageProblem("no_report", "the output is JSON, but no report of coverage.py")
    return checked(
        CoverageReport(
            lines_covered=lines[0],
            lines_total=lines[1],
            branches_covered=integer_of(totals.get("covered_branches")) or 0,
            branches_total=integer_of(totals.get("num_branches")) or 0,
            files=tuple(_files(object_of(report.get("files")))),
        )
    )


def _files(files: JsonObject) -> Iterator[FileCoverage]:
    for path, file in files.items():
        missing = object_of(file).get("missing_lines")
        lines = missing if isinstance(missing, list) else []
        total = integer_of(object_of(object_of(file).get("summary")).get("num_statements")) or 0
        yield FileCoverage(
            path=text_of(path) or "",
            lines_total=total,
            missing=tuple(n for line in lines if (n := integer_of(line)) is not None),
        )
