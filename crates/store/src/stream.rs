//! Reading a spool stream: every whole tick before the first damage, whatever the bytes are.
//!
//! A stream is an Arrow IPC stream. A kill can tear its last tick and a power cut can leave
//! garbage, so each message is checked against the file and the schema *before* it is decoded:
//! a length that lies must neither reserve memory nor reach code that trusts it.
//!
//! A reader may stay open while the recorder appends: after `None`, ask again later.

mod message;

use crate::StoreError;
use crate::footer::Origin;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::RecordBatchDecoder;
use arrow::ipc::{self, MessageHeader};
use message::{Dictionaries, RawMessage, Stop, buffers_of, damaged};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns to read.
#[derive(Debug, Clone, Copy)]
pub enum Columns<'a> {
    /// All of them.
    All,
    /// Those of these names that the stream has, in the stream's order.
    Named(&'a [&'a str]),
}

/// What follows the last whole tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Clean,
    /// The beginning of a tick: one being written, or the one in flight when the recorder died.
    Torn {
        /// Where it begins.
        at: u64,
        /// How many bytes there are of it.
        bytes: u64,
    },
    /// Bytes that are not a tick; nothing after them can be read.
    Damaged {
        /// Where they begin.
        at: u64,
        /// How many bytes follow from there to the end.
        bytes: u64,
        /// What is wrong with them.
        reason: String,
    },
}

/// An open spool stream.
#[derive(Debug)]
pub struct SpoolStream {
    file: File,
    path: PathBuf,
    origin: Origin,
    full: SchemaRef,
    projected: SchemaRef,
    projection: Vec<usize>,
    dictionaries: Dictionaries,
    offset: u64,
    tail: Tail,
}

impl SpoolStream {
    /// Opens a stream; `None` when not even its schema was written whole.
    ///
    /// # Errors
    /// Tells what the system refused from content that is not a stream, and from a stream of a
    /// newer format.
    pub fn open(path: &Path, columns: Columns<'_>) -> Result<Option<Self>, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        Self::from_file(file, path, columns)
    }

    /// The same over an open file.
    ///
    /// # Errors
    /// As [`SpoolStream::open`].
    pub fn from_file(
        file: File,
        path: &Path,
        columns: Columns<'_>,
    ) -> Result<Option<Self>, StoreError> {
        let bad = |reason: String| StoreError::parse(path, "spool stream", reason);
        let message = match RawMessage::read(&file, 0) {
            Ok(message) => message,
            Err(Stop::End | Stop::Torn) => return Ok(None),
            Err(Stop::Damaged(reason)) => return Err(bad(reason)),
            Err(Stop::Io(error)) => return Err(StoreError::io("read", path)(error)),
        };
        let header = message.header().map_err(bad)?;
        let Some(fields) = header.header_as_schema() else {
            return Err(bad("it does not begin with a schema".into()));
        };
        let schema = ipc::convert::try_fb_to_schema(fields).map_err(|e| bad(e.to_string()))?;
        let origin = Origin::of_stream(&schema, path)?;
        if let Some(field) = schema
            .fields()
            .iter()
            .find(|f| buffers_of(f.data_type()).is_none())
        {
            return Err(bad(format!(
                "column {} has the type {}",
                field.name(),
                field.data_type()
            )));
        }
        let projection: Vec<usize> = match columns {
            Columns::All => (0..schema.fields().len()).collect(),
            Columns::Named(names) => (0..schema.fields().len())
                .filter(|index| names.contains(&schema.field(*index).name().as_str()))
                .collect(),
        };
        let wanted = fields
            .fields()
            .into_iter()
            .flatten()
            .enumerate()
            .filter(|(index, _)| projection.contains(index))
            .filter_map(|(_, field)| Some(field.dictionary()?.id()))
            .collect();
        let projected = schema
            .project(&projection)
            .map_err(|e| bad(e.to_string()))?;
        Ok(Some(Self {
            origin,
            full: Arc::new(schema),
            projected: Arc::new(projected),
            projection,
            dictionaries: Dictionaries {
                wanted,
                values: HashMap::new(),
            },
            offset: message.next,
            tail: Tail::Clean,
            path: path.to_owned(),
            file,
        }))
    }

    /// Who wrote it.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The schema of the batches: the columns asked for.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.projected
    }

    /// Where the next tick begins: everything before it was read whole.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What follows there; meaningful once [`SpoolStream::next_batch`] gave `None`.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The next tick's rows; `None` at the end of what is whole.
    ///
    /// # Errors
    /// Only when the system refuses to read: bad content is told by [`SpoolStream::tail`].
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        // Dictionary values that precede a tick count only when the tick is whole: one that
        // failed is cut off and sent again in other words.
        let mut dictionaries = self.dictionaries.clone();
        let stop = match self.read_tick(&mut dictionaries) {
            Ok((batch, next)) => {
                self.dictionaries = dictionaries;
                self.offset = next;
                self.tail = Tail::Clean;
                return Ok(Some(batch));
            }
            Err(stop) => stop,
        };
        let io_error = |error| StoreError::io("read", &self.path)(error);
        let length = self.file.metadata().map_err(io_error)?.len();
        let (at, bytes) = (self.offset, length.saturating_sub(self.offset));
        self.tail = match stop {
            Stop::Io(error) => return Err(io_error(error)),
            _ if bytes == 0 => Tail::Clean,
            Stop::End | Stop::Torn => Tail::Torn { at, bytes },
            Stop::Damaged(reason) => Tail::Damaged { at, bytes, reason },
        };
        Ok(None)
    }

    /// The dictionary messages and the record batch of one tick, and where the next begins.
    fn read_tick(&self, dictionaries: &mut Dictionaries) -> Result<(RecordBatch, u64), Stop> {
        let mut offset = self.offset;
        loop {
            let message = RawMessage::read(&self.file, offset)?;
            offset = message.next;
            let header = message.header().map_err(Stop::Damaged)?;
            match header.header_type() {
                MessageHeader::DictionaryBatch => {
                    message.read_dictionary(&header, &self.full, dictionaries)?;
                }
                MessageHeader::RecordBatch => {
                    let batch = self.decode(&message, &header, dictionaries)?;
                    return Ok((batch, offset));
                }
                other => return damaged(format!("unexpected message {other:?}")),
            }
        }
    }

    fn decode(
        &self,
        message: &RawMessage,
        header: &ipc::Message<'_>,
        dictionaries: &Dictionaries,
    ) -> Result<RecordBatch, Stop> {
        let Some(batch) = header.header_as_record_batch() else {
            return damaged("a record batch without a header");
        };
        message.check(&batch, &self.full)?;
        RecordBatchDecoder::try_new(
            &message.body,
            batch,
            Arc::clone(&self.full),
            &dictionaries.values,
            &header.version(),
        )
        .map(|decoder| decoder.with_projection(Some(&self.projection)))
        .and_then(RecordBatchDecoder::read_record_batch)
        .or_else(|error| damaged(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
