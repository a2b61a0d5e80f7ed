//! One IPC message, checked before anything trusts it.

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::read_dictionary;
use arrow::ipc::{self, MetadataVersion};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// No message of ours comes near: 100,000 containers are 30 MB.
const LONGEST_METADATA: usize = 16 << 20;
const LONGEST_BODY: usize = 1 << 30;
const MOST_ROWS: i64 = 1 << 24;

/// Dictionary values as the stream has told them so far, and the ids that are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Dictionaries {
    pub(super) wanted: Vec<i64>,
    pub(super) values: HashMap<i64, ArrayRef>,
}

/// Why a message cannot be used.
pub(super) enum Stop {
    /// The file ends here.
    End,
    /// The file ends within it.
    Torn,
    Damaged(String),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn damaged<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Damaged(reason.into()))
}

/// One message as it lies in the file.
pub(super) struct RawMessage {
    metadata: Vec<u8>,
    pub(super) body: Buffer,
    pub(super) next: u64,
}

impl RawMessage {
    pub(super) fn read(file: &File, offset: u64) -> Result<Self, Stop> {
        let length = file.metadata()?.len();
        let left = length.saturating_sub(offset);
        if left == 0 {
            return Err(Stop::End);
        }
        if left < 8 {
            return Err(Stop::Torn);
        }
        let mut prefix = [0; 8];
        read_exact(file, &mut prefix, offset)?;
        let [c0, c1, c2, c3, l0, l1, l2, l3] = prefix;
        if [c0, c1, c2, c3] != [0xff; 4] {
            return damaged("no message begins here");
        }
        let size = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if size == 0 || size > LONGEST_METADATA {
            return damaged(format!("a message header of {size} bytes"));
        }
        if left < 8 + size as u64 {
            return Err(Stop::Torn);
        }
        let mut metadata = vec![0; size];
        read_exact(file, &mut metadata, offset + 8)?;
        let body_size = match ipc::root_as_message(&metadata) {
            Ok(message) => message.bodyLength(),
            Err(error) => return damaged(format!("a message header that is not one: {error}")),
        };
        let body_size = match usize::try_from(body_size) {
            Ok(body_size) if body_size <= LONGEST_BODY => body_size,
            _ => return damaged(format!("a message of {body_size} bytes")),
        };
        let body_at = offset + 8 + size as u64;
        if length.saturating_sub(body_at) < body_size as u64 {
            return Err(Stop::Torn);
        }
        let mut body = MutableBuffer::from_len_zeroed(body_size);
        read_exact(file, &mut body, body_at)?;
        Ok(Self {
            metadata,
            body: body.into(),
            next: body_at + body_size as u64,
        })
    }

    pub(super) fn header(&self) -> Result<ipc::Message<'_>, String> {
        let message = ipc::root_as_message(&self.metadata).map_err(|error| error.to_string())?;
        if message.version() == MetadataVersion::V5 {
            Ok(message)
        } else {
            Err(format!("metadata version {:?}", message.version()))
        }
    }

    pub(super) fn read_dictionary(
        &self,
        header: &ipc::Message<'_>,
        schema: &Schema,
        dictionaries: &mut Dictionaries,
    ) -> Result<(), Stop> {
        let Some(dictionary) = header.header_as_dictionary_batch() else {
            return damaged("a dictionary without a header");
        };
        if !dictionaries.wanted.contains(&dictionary.id()) {
            return Ok(());
        }
        let Some(batch) = dictionary.data() else {
            return damaged("a dictionary without values");
        };
        let values = Schema::new(vec![Field::new("", DataType::Utf8, true)]);
        self.check(&batch, &values)?;
        read_dictionary(
            &self.body,
            dictionary,
            schema,
            &mut dictionaries.values,
            &header.version(),
        )
        .or_else(|error| damaged(error.to_string()))
    }

    /// Whether nodes and buffers are those of the schema and lie within the body: the decoder
    /// trusts them.
    pub(super) fn check(&self, batch: &ipc::RecordBatch<'_>, schema: &Schema) -> Result<(), Stop> {
        let rows = batch.length();
        if !(0..=MOST_ROWS).contains(&rows) {
            return damaged(format!("a batch of {rows} rows"));
        }
        let Some(nodes) = batch.nodes() else {
            return damaged("a batch without nodes");
        };
        let Some(buffers) = batch.buffers() else {
            return damaged("a batch without buffers");
        };
        let widths = || {
            let types = schema.fields().iter().map(|field| field.data_type());
            types.filter_map(buffers_of).flatten()
        };
        if nodes.len() != schema.fields().len() || buffers.len() != widths().count() {
            return damaged("a batch with other columns than the schema");
        }
        if batch
            .variadicBufferCounts()
            .is_some_and(|counts| !counts.is_empty())
        {
            return damaged("a batch with variadic buffers");
        }
        for node in nodes {
            if node.length() != rows || !(0..=rows).contains(&node.null_count()) {
                return damaged("a column of another length than its batch");
            }
        }
        let compressed = batch.compression().is_some();
        for (buffer, width) in buffers.iter().zip(widths()) {
            let size = self.size_of(buffer, compressed)?;
            // The decoder takes a buffer for a slice of its type.
            if size % *width as u64 != 0 {
                return damaged(format!("a buffer of {size} bytes for items of {width}"));
            }
        }
        Ok(())
    }

    /// The size of a buffer once it is unpacked.
    fn size_of(&self, buffer: &ipc::Buffer, compressed: bool) -> Result<u64, Stop> {
        let range = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let Some(bytes) = range.and_then(|range| self.body.get(range)) else {
            return damaged("a buffer beyond its message");
        };
        if !compressed || bytes.is_empty() {
            return Ok(bytes.len() as u64);
        }
        let Some((size, data)) = bytes.split_first_chunk::<8>() else {
            return damaged("a compressed buffer without its size");
        };
        let stored = data.len() as u64;
        match i64::from_le_bytes(*size) {
            -1 => Ok(stored),
            size => match u64::try_from(size) {
                // LZ4 cannot do better than 255 to 1.
                Ok(size) if size <= 64 + 256 * stored => Ok(size),
                _ => damaged(format!("a buffer that claims to hold {size} bytes")),
            },
        }
    }
}

/// The width of the items of each buffer of a column; `None` for types that no table has.
pub(super) fn buffers_of(data_type: &DataType) -> Option<&'static [usize]> {
    match data_type {
        DataType::Int64 | DataType::Timestamp(_, _) => Some(&[1, 8]),
        DataType::Boolean => Some(&[1, 1]),
        DataType::Utf8 => Some(&[1, 4, 1]),
        DataType::Dictionary(key, value) => {
            (**key == DataType::Int32 && **value == DataType::Utf8).then_some(&[1, 4])
        }
        _ => None,
    }
}

/// The recorder cuts a failed tick off again, so a file may shrink while it is read.
fn read_exact(file: &File, buffer: &mut [u8], offset: u64) -> Result<(), Stop> {
    file.read_exact_at(buffer, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Stop::Torn,
            _ => Stop::Io(error),
        })
}
