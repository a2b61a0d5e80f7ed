//! Writing a segment from its spool, column group by column group (DATA.md section 1).
//!
//! The spool is read again for each group, so that memory is bounded by rows x group and not
//! by rows x columns.

use crate::StoreError;
use crate::footer::Footer;
use crate::seal::Source;
use crate::seal::columns::{Group, read};
use crate::stream::Tail;
use crate::table_file::write::{Encodings, TableWriter};
use fgm_model::schema::table_schema;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Columns read from the spool at a time.
const GROUP: usize = 12;

/// How writing went.
pub(crate) enum Written {
    /// All rows; a checksum per column of what was meant to be written.
    Whole(Vec<u64>),
    /// A column is damaged after so many ticks: start again with these alone.
    Shorter {
        /// Whole ticks.
        ticks: usize,
        /// What follows them.
        tail: Tail,
    },
}

/// Writes the file of a stream from its beginning.
pub(crate) fn write(file: &File, path: &Path, source: &Source) -> Result<Written, StoreError> {
    let schema = Arc::new(table_schema(source.table));
    let by_type = Encodings::ByType;
    let mut writer = TableWriter::new(file, path, source.table, Arc::clone(&schema), by_type)?;
    let mut row_group = writer.row_group()?;
    for fields in schema.fields().chunks(GROUP) {
        let fields: Vec<_> = fields.iter().map(AsRef::as_ref).collect();
        let columns = match read(&source.path, &source.order, &source.late, &fields)? {
            Group::Whole(columns) => columns,
            Group::Shorter { ticks, tail } => return Ok(Written::Shorter { ticks, tail }),
        };
        for column in columns {
            row_group.write(&column)?;
        }
    }
    row_group.close()?;
    let footer = Footer {
        instances: source.order.instances.clone(),
        ..source.footer.clone()
    };
    Ok(Written::Whole(writer.finish(&footer)?))
}
