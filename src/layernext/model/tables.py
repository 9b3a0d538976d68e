"""Results as tables for Markdown, pandas and Arrow. The last two are imported on first use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from layernext.errors import ConfigurationError
from layernext.model.collection import Record
from layernext.model.display import table_html

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Row: TypeAlias = dict[str, Any]
"""Column to value: text, number, or None where undefined. The rows of a table have the same columns."""

INSTALL = "pip install '.[eval]' in the source folder"

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$])")


class Table(Record, frozen=True, kw_only=True):
    """Rows with the same columns; there may be none.

    Attributes:
        columns: names, in order.
        rows: a value for each column.
    """

    columns: list[str]
    rows: list[Row]

    @classmethod
    def of(cls, records: Iterable[Record], columns: Sequence[str]) -> Table:
        """A table with some of the fields of records as columns."""
        rows = [{name: getattr(record, name) for name in columns} for record in records]
        return cls(columns=[*columns], rows=rows)

    def to_markdown(self) -> str:
        """The table as Markdown, with special characters escaped; empty without rows."""
        if not self.rows:
            return ""
        is_number = [
            all(isinstance(row[name], int | float | None) for row in self.rows)
            for name in self.columns
        ]
        lines = [
            [markdown_text(name.replace("_", " ")) for name in self.columns],
            ["---:" if number else "---" for number in is_number],
            *([_cell(row[name]) for name in self.columns] for row in self.rows),
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


class Tabular(Record, frozen=True, kw_only=True):
    """A result with tables."""

    def tables(self) -> dict[str, Table]:
        """Every table by its name; the first is the default."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        table = self._table(None)
        return table_html(repr(self), table.columns, table.rows)

    def to_pandas(self, table: str | None = None) -> pd.DataFrame:
        """One of the `tables` as a pandas data frame; undefined numbers are NaN.

        Raises:
            ConfigurationError: no table has this name, or pandas is not installed.
        """
        source = self._table(table)
        try:
            import pandas as pd  # noqa: PLC0415 - optional
        except ImportError as error:
            raise ConfigurationError("to_pandas needs pandas", hint=INSTALL) from error
        columns = {
            name: pd.Series(
                [row[name] for row in source.rows],
                dtype="float64" if _is_undefined(source, name) else None,
            )
            for name in source.columns
        }
        return pd.DataFrame(columns, columns=source.columns)

    def to_arrow(self, table: str | None = None) -> pa.Table:
        """One of the `tables` as an Arrow table; undefined numbers are null.

        Raises:
            ConfigurationError: no table has this name, or pyarrow is not installed.
        """
        source = self._table(table)
        try:
            import pyarrow as pa  # noqa: PLC0415 - optional
        except ImportError as error:
            raise ConfigurationError("to_arrow needs pyarrow", hint=INSTALL) from error
        columns = {
            name: pa.array(
                [row[name] for row in source.rows],
                type=pa.float64() if _is_undefined(source, name) else None,
            )
            for name in source.columns
        }
        return pa.table(columns)

    def _table(self, name: str | None) -> Table:
        tables = self.tables()
        if name is None:
            return next(iter(tables.values()))
        if name not in tables:
            raise ConfigurationError(
                f"there is no table {name!r}", hint=f"use one of {', '.join(tables)}"
            )
        return tables[name]


def _is_undefined(table: Table, column: str) -> bool:
    """Whether all values of a column are None: such a column is one of numbers."""
    return all(row[column] is None for row in table.rows)


def markdown_text(text: str) -> str:
    """Any string as one line of Markdown without markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    return markdown_text(str(value))
