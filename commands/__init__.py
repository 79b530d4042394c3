"""One command per file: its arguments, its plan or report, its card."""
