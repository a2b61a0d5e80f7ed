//! One record of the log: `6,1234,987654321,-;the text\n KEY=value\n`.

/// A line of the kernel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) sequence: u64,
    /// Microseconds of the log's clock.
    pub(crate) since_boot_us: i64,
    pub(crate) text: &'a [u8],
}

impl<'a> Record<'a> {
    /// Parses a record; `None` for what a program wrote into the log, and for anything else that
    /// is none of the kernel's lines.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let separator = bytes.iter().position(|byte| *byte == b';')?;
        let (head, text) = (bytes.get(..separator)?, bytes.get(separator + 1..)?);
        let mut fields = head.split(|byte| *byte == b',');
        let priority = number(fields.next()?)?;
        let sequence = number(fields.next()?)?;
        let since_boot_us = i64::try_from(number(fields.next()?)?).ok()?;
        // The facility: 0 is the kernel's, which nobody else can write.
        if priority >> 3 != 0 {
            return None;
        }
        let end = text.iter().position(|byte| *byte == b'\n');
        Some(Self {
            sequence,
            since_boot_us,
            text: text.get(..end.unwrap_or(text.len()))?,
        })
    }
}

/// Decimal digits and nothing else.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
