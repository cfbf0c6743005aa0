//! The rows a statement brought back.

use std::str::FromStr;

use mysql_common::io::ParseBuf;

use super::error::WireError;

/// The most columns a server can send (MySQL's own limit).
const MAX_COLUMNS: u64 = 4096;

/// The answer to one statement, in one piece of memory. Empty, without columns, for a mere OK.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// Column names, then the cells, one after the other.
    text: String,
    columns: Vec<Span>,
    /// Row by row.
    cells: Vec<Span>,
}

/// A part of the text, or nothing (NULL).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const NULL: Self = Self { start: u32::MAX, end: u32::MAX };
}

/// One row of a [`ResultSet`].
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    set: &'a ResultSet,
    cells: &'a [Span],
}

/// Names a column: by its name, in the server's spelling, or by its position from 0.
pub trait Column: Copy {
    /// The position of the column in `set`, if it is there.
    fn position(self, set: &ResultSet) -> Option<usize>;
}

impl Column for &str {
    fn position(self, set: &ResultSet) -> Option<usize> {
        set.columns().position(|name| name == self)
    }
}

impl Column for usize {
    fn position(self, set: &ResultSet) -> Option<usize> {
        (self < set.columns.len()).then_some(self)
    }
}

impl ResultSet {
    /// Makes a result set as a server would send it; for captured outputs and simulated servers.
    ///
    /// Cells that a row lacks are NULL, those it has too many are left out.
    pub fn from_rows<'a, R>(columns: &[&str], rows: impl IntoIterator<Item = R>) -> Self
    where
        R: IntoIterator<Item = Option<&'a str>>,
    {
        let mut set = Self::default();
        for name in columns {
            let span = set.append(name.as_bytes());
            set.columns.push(span);
        }
        for row in rows {
            let mut cells = row.into_iter();
            for _ in columns {
                let cell = cells.next().flatten();
                let span = cell.map_or(Span::NULL, |text| set.append(text.as_bytes()));
                set.cells.push(span);
            }
        }
        set
    }

    /// There are no rows.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// The rows in the server's order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.cells.chunks_exact(self.columns.len().max(1)).map(|cells| Row { set: self, cells })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.rows().next()
    }

    /// The columns' names in the server's order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|span| self.slice(*span).unwrap_or_default())
    }

    /// There is such a column, though it may be NULL in every row.
    pub fn has(&self, column: impl Column) -> bool {
        column.position(self).is_some()
    }

    fn slice(&self, span: Span) -> Option<&str> {
        self.text.get(span.start as usize..span.end as usize)
    }

    /// Adds to the text; what is not UTF-8 is replaced, so that a name or value can be read at all.
    fn append(&mut self, bytes: &[u8]) -> Span {
        let position = |text: &String| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = position(&self.text);
        match str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(bytes)),
        }
        Span { start, end: position(&self.text) }
    }

    /// Reads a packet that says how many columns follow.
    pub(super) fn column_count(packet: &[u8]) -> Result<usize, WireError> {
        let mut rest = ParseBuf(packet);
        match rest.checked_eat_lenenc_int() {
            Some(count @ 1..=MAX_COLUMNS) if rest.is_empty() => {
                usize::try_from(count).map_err(|_| WireError::Protocol("column count"))
            }
            _ => Err(WireError::Protocol("column count")),
        }
    }

    /// Takes the packet that describes the next column; all but its name is passed over.
    pub(super) fn push_column(&mut self, packet: &[u8]) -> Result<(), WireError> {
        let mut rest = ParseBuf(packet);
        let mut name = None;
        for _catalog_schema_table_original_table_name in 0..5 {
            name = rest.checked_eat_lenenc_str();
        }
        let name = name.ok_or(WireError::Protocol("column definition"))?;
        let span = self.append(name);
        self.columns.push(span);
        Ok(())
    }

    /// Takes the packet that holds the next row.
    pub(super) fn push_row(&mut self, packet: &[u8]) -> Result<(), WireError> {
        let mut rest = ParseBuf(packet);
        for _ in 0..self.columns.len() {
            let span = if rest.0.first() == Some(&0xfb) {
                rest.skip(1);
                Span::NULL
            } else {
                let cell = rest.checked_eat_lenenc_str().ok_or(WireError::Protocol("row"))?;
                self.append(cell)
            };
            self.cells.push(span);
        }
        if rest.is_empty() { Ok(()) } else { Err(WireError::Protocol("row")) }
    }

    /// How many columns have been described so far.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }
}

impl<'a> Row<'a> {
    /// The text of a cell; `None` when it is NULL or there is no such column.
    pub fn get(&self, column: impl Column) -> Option<&'a str> {
        let span = self.cells.get(column.position(self.set)?)?;
        self.set.slice(*span)
    }

    /// A cell read as a `T`; `None` also when it does not hold one.
    pub fn parse<T: FromStr>(&self, column: impl Column) -> Option<T> {
        self.get(column)?.parse().ok()
    }

    /// A cell read as a number without sign.
    pub fn get_u64(&self, column: impl Column) -> Option<u64> {
        self.parse(column)
    }

    /// A cell read as a number.
    pub fn get_i64(&self, column: impl Column) -> Option<i64> {
        self.parse(column)
    }

    /// All cells, with the names of their columns.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let set = self.set;
        set.columns().zip(self.cells.iter().map(move |span| set.slice(*span)))
    }
}
