//! A table of numbers by column name: for data with too many columns for a type.

use std::{collections::HashMap, fs::File, io::Read, path::Path};

use flate2::read::MultiGzDecoder;

use crate::DataError;

/// Rows of numbers; an empty cell is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    columns: HashMap<String, usize>,
    rows: Vec<Vec<Option<f64>>>,
}

impl Table {
    /// Reads a CSV file with a heading, compressed when its name ends in `.gz`. A cell that is no number is an error with its line.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let damaged = |line: u64, message: String| DataError::Row { path: path.to_owned(), line, message };
        let file = File::open(path).map_err(|error| DataError::io(path, &error))?;
        let reader: Box<dyn Read> = if path.extension().is_some_and(|end| end == "gz") {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        };
        let mut reader = csv::Reader::from_reader(reader);
        let headers = reader.headers().map_err(|error| damaged(1, error.to_string()))?;
        let columns = headers.iter().enumerate().map(|(place, name)| (name.to_owned(), place)).collect();
        let mut rows = Vec::new();
        for (index, record) in reader.records().enumerate() {
            let line = index as u64 + 2;
            let record = record.map_err(|error| damaged(line, error.to_string()))?;
            let cell = |cell: &str| match cell.trim() {
                "" => Ok(None),
                text => text.parse().map(Some).map_err(|_| damaged(line, "a cell is no number".to_owned())),
            };
            rows.push(record.iter().map(cell).collect::<Result<_, _>>()?);
        }
        if rows.is_empty() { Err(DataError::Empty { path: path.to_owned() }) } else { Ok(Self { columns, rows }) }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No row at all?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Is there such a column?
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// One cell; none as well where there is no such column or row.
    pub fn get(&self, row: usize, column: &str) -> Option<f64> {
        self.rows.get(row)?.get(*self.columns.get(column)?).copied()?
    }
}
